"""The table: what one process puts, every reader finds, however it is read, filled, enlarged or damaged."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from facts_world import APP, SEED, TODAY, a_slot, a_table, choice_of, device, failures_of, full_of, offer_of
from hypothesis import given, settings
from hypothesis import strategies as st
from places import WORLDS

from edge.domain.facts import HOUR_LIMIT, NO_FACTS, Cause, DeviceFacts, Failure, FailureStage, Latest
from edge.facts.pages import DEVICES_PER_PAGE, FactPages, create_pages, largest_pages
from edge.facts.slot import (
    PAGE_BYTES,
    SLOT_BYTES,
    SLOTS,
    TAGS_BYTES,
    NewerFacts,
    SlotKind,
    TableHeader,
    UnreadableFacts,
    day_touched,
    encode_header,
    encode_slot,
    facts_of,
    is_empty,
    is_whole,
    key_of,
    page_of,
    parse_header,
    worth,
)
from edge.facts.table import FactsTable

NAME = st.integers(1, (1 << 48) - 1)
DAY = st.integers(1, 65_535)
FAILURE = st.builds(
    Failure,
    NAME,
    st.sampled_from(FailureStage),
    st.sampled_from(Cause),
    st.integers(0, 63),
    st.integers(0, HOUR_LIMIT - 1),
)
FACTS = st.builds(
    lambda channel, failures, offered, latest: DeviceFacts(channel, tuple(failures), tuple(offered), latest),
    st.just(0) | NAME,
    st.lists(FAILURE, max_size=3),
    st.lists(NAME, max_size=1),
    st.just(0) | st.integers(0, (1 << 64) - 1),
)
KEY = key_of(APP, device(1), SEED)


def test_keys_are_what_they_always_were():
    assert key_of(APP, device(1), SEED).hex() == "a1c9b72310edd48b61ff69b8"


@given(FACTS, DAY)
def test_a_slot_gives_back_what_it_was_made_of(facts, day):
    slot = encode_slot(KEY, facts, day)
    assert len(slot) == SLOT_BYTES
    assert is_whole(slot)
    assert (slot[:12], facts_of(slot), day_touched(slot)) == (KEY, facts, day)
    assert is_empty(slot) == (facts == NO_FACTS)
    kind = SlotKind.CHOICES if facts.channel else SlotKind.FAILURES if facts.failures else SlotKind.OFFERS
    assert worth(slot) == (kind, day)


@given(FACTS, FACTS, st.integers(1, SLOT_BYTES - 1))
def test_a_slot_torn_anywhere_is_not_whole(old, new, at):
    before, after = encode_slot(KEY, old, TODAY), encode_slot(KEY, new, TODAY + 1)
    torn = after[:at] + before[at:]
    assert is_whole(torn) == (torn in {before, after})
    assert not is_whole(after[:at] + bytes(SLOT_BYTES - at))
    assert not is_whole(bytes(SLOT_BYTES))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda page: page[:8] + b"\x03" + page[9:], NewerFacts),
        (lambda page: b"x" + page[1:], UnreadableFacts),
        (lambda page: page[:30] + b"\xff" + page[31:], UnreadableFacts),
        (lambda page: page[:100], UnreadableFacts),
        (lambda page: b"", UnreadableFacts),
    ],
)
def test_a_header_that_is_not_ours_is_refused(change, error):
    page = encode_header(TableHeader(3, SEED))
    assert parse_header(page, 4 * PAGE_BYTES) == TableHeader(3, SEED)
    with pytest.raises(error):
        parse_header(change(page), 4 * PAGE_BYTES)
    with pytest.raises(UnreadableFacts):
        parse_header(page, 4 * PAGE_BYTES - 1)


def test_without_a_table_nothing_is_known_until_there_is_one(tmp_path):
    early = FactsTable(tmp_path / "facts.table")
    assert early.look_up(APP, device(1)) == NO_FACTS
    with a_table(tmp_path) as (pages, _):
        pages.put(a_slot(1, choice_of(1)))
        assert early.look_up(APP, device(1)) == choice_of(1)
    early.close()


def test_a_table_that_cannot_be_read_is_said_and_survived(tmp_path):
    path = tmp_path / "facts.table"
    path.write_bytes(b"x" * 10_000)
    table = FactsTable(path)
    assert table.look_up(APP, device(1)) == NO_FACTS
    assert "not a table" in table.problem
    path.write_bytes(b"")
    assert table.look_up(APP, device(1)) == NO_FACTS
    create_pages(path, 10)
    assert table.look_up(APP, device(1)) == NO_FACTS
    assert table.problem == ""
    table.close()


def test_a_reader_follows_a_table_made_anew(tmp_path):
    with a_table(tmp_path) as (pages, table):
        pages.put(a_slot(1, choice_of(1)))
        assert table.look_up(APP, device(1)) == choice_of(1)
        create_pages(tmp_path / "facts.table", 1000, SEED)
        assert table.look_up(APP, device(1)) == NO_FACTS


def test_apps_and_devices_do_not_mix(tmp_path):
    with a_table(tmp_path) as (pages, table):
        pages.put(a_slot(1, choice_of(1)))
        assert table.look_up(APP + "x", device(1)) == NO_FACTS
        assert table.look_up(APP, device(2)) == NO_FACTS
        assert table.look_up(APP[:-1], "p" + device(1)) == NO_FACTS


def test_a_slot_that_stays_torn_is_no_fact(tmp_path):
    with a_table(tmp_path, capacity=1) as (pages, table):
        pages.put(a_slot(1, choice_of(1)))
        with (tmp_path / "facts.table").open("r+b") as file:
            file.seek(PAGE_BYTES + TAGS_BYTES + 20)
            file.write(b"\xff")
        assert table.look_up(APP, device(1)) == NO_FACTS
        assert table.torn == 1
        pages.replay(a_slot(1, choice_of(2)))
        assert table.look_up(APP, device(1)) == choice_of(2)


def test_a_table_grows_under_its_readers_and_loses_nothing(tmp_path):
    with a_table(tmp_path, capacity=5000) as (pages, table):
        sizes = set()
        for number in range(3500):
            pages.put(a_slot(number, offer_of(number)))
            sizes.add(pages.pages)
            assert table.look_up(APP, device(number)) == offer_of(number)
        assert len(sizes) >= 3
        assert max(sizes) == largest_pages(5000)
        assert [n for n in range(3500) if table.look_up(APP, device(n)) != offer_of(n)] == []
        assert not pages.evicted
        assert (tmp_path / "facts.table").stat().st_size == (pages.pages + 1) * PAGE_BYTES


@pytest.mark.parametrize("capacity", [1, 38, 39, 1000, 123_456, 1_000_000, 10_000_000])
def test_the_largest_table_has_room_for_its_capacity_and_hardly_more(capacity):
    pages = largest_pages(capacity)
    assert capacity <= pages * DEVICES_PER_PAGE <= capacity * 1.06 + 31 * DEVICES_PER_PAGE


def test_ten_million_devices_stay_close_to_a_gigabyte():
    assert (largest_pages(10_000_000) + 1) * PAGE_BYTES < 1.15e9


def test_a_disk_without_room_makes_a_table_evict_and_not_fail(tmp_path):
    with a_table(tmp_path, capacity=5000) as (pages, table):
        (tmp_path / "facts.new").mkdir()  # where the larger file would be made
        for number in range(3500):
            pages.put(a_slot(number, offer_of(number)))
            assert table.look_up(APP, device(number)) == offer_of(number)
        assert pages.growth_failures == 1
        assert pages.evicted[SlotKind.OFFERS] > 0


def test_a_full_table_keeps_its_size_and_its_latest(tmp_path):
    with a_table(tmp_path, capacity=100) as (pages, table):
        for number in range(1000):
            pages.put(a_slot(number, offer_of(number), TODAY + number // 100))
            assert table.look_up(APP, device(number)) == offer_of(number)
        left = [number for number in range(1000) if table.look_up(APP, device(number)) != NO_FACTS]
        assert len(left) == largest_pages(100) * SLOTS
        assert pages.evicted == {SlotKind.OFFERS: 1000 - len(left)}
        assert min(left) >= 700


def test_facts_that_matter_outlive_offers(tmp_path):
    with a_table(tmp_path, capacity=1) as (pages, table):
        withheld = DeviceFacts(failures=failures_of(5))
        for number in range(20):
            pages.put(a_slot(number, choice_of(number) if number % 2 else withheld, TODAY - 100))
        for number in range(100, 400):
            pages.put(a_slot(number, offer_of(number), TODAY))
        assert NO_FACTS not in [table.look_up(APP, device(number)) for number in range(20)]


def test_a_choice_outlives_failures_and_failures_outlive_offers(tmp_path):
    """However old it is: the device was told that its choice is stored."""
    with a_table(tmp_path, capacity=1) as (pages, table):
        for number in range(10):
            pages.put(a_slot(number, choice_of(number), TODAY - 300))
        for number in range(100, 120):
            pages.put(a_slot(number, DeviceFacts(failures=failures_of(5)), TODAY - 100))
        for number in range(200, 300):
            pages.put(a_slot(number, offer_of(number), TODAY))
        assert pages.evicted == {SlotKind.OFFERS: 130 - SLOTS}
        for number in range(400, 500):
            pages.put(a_slot(number, DeviceFacts(failures=failures_of(6)), TODAY))
        assert [number for number in range(10) if table.look_up(APP, device(number)) != choice_of(number)] == []
        assert pages.evicted[SlotKind.CHOICES] == 0 and pages.evicted[SlotKind.FAILURES] > 0


def test_of_equals_the_newest_stay(tmp_path):
    with a_table(tmp_path, capacity=1) as (pages, table):
        for number in range(200):
            pages.put(a_slot(number, choice_of(number)))
        left = [number for number in range(200) if table.look_up(APP, device(number)) != NO_FACTS]
        assert left == list(range(200 - SLOTS, 200))


def test_a_replay_leaves_a_key_in_one_place(tmp_path):
    """A power cut may leave the tag of one key at the slot of another: then what is stale would be found one day."""
    with a_table(tmp_path, capacity=1) as (pages, table):
        pages.put(a_slot(1, choice_of(1)))
        with (tmp_path / "facts.table").open("r+b") as file:
            file.seek(PAGE_BYTES)
            file.write(KEY[11:] * 8)
            for place in (3, 5, 7):
                file.seek(PAGE_BYTES + TAGS_BYTES + SLOT_BYTES * place)
                file.write(a_slot(1, choice_of(place)))
        pages.replay(a_slot(1, choice_of(9)))
        assert table.look_up(APP, device(1)) == choice_of(9)
        assert (tmp_path / "facts.table").read_bytes().count(KEY) == 1


def test_what_was_evicted_does_not_come_back_for_what_is_newer(tmp_path):
    with a_table(tmp_path, capacity=1) as (pages, table):
        for number in range(SLOTS + 1):
            pages.put(a_slot(number, choice_of(number), TODAY + (number > 0)))
        assert table.look_up(APP, device(0)) == NO_FACTS
        pages.replay(a_slot(0, choice_of(0), TODAY))
        assert NO_FACTS not in [table.look_up(APP, device(number)) for number in range(1, SLOTS + 1)]


def test_a_page_remembers_that_a_failure_was_evicted_from_it(tmp_path):
    """Of who is not there nobody knows any more what failed on it: no way back leads to what was there then."""
    with a_table(tmp_path, capacity=1) as (pages, table):
        pages.put(a_slot(0, DeviceFacts(failures=failures_of(5)), TODAY))
        for number in range(1, SLOTS):
            pages.put(a_slot(number, choice_of(number), TODAY + 1))
        assert table.look_up(APP, device(999)) == NO_FACTS
        pages.put(a_slot(999, choice_of(999), TODAY + 1))
        forgetful = DeviceFacts(latest=Latest(forgot=TODAY // 4 + 1).packed())
        for number in (0, 1_000):
            assert table.look_up(APP, device(number)) == forgetful
            assert pages.read(pages.key_of(APP, device(number))) == (forgetful, 0)
        assert table.look_up(APP, device(1)) == choice_of(1)
        pages.swap(2)
        assert table.look_up(APP, device(1_001)) == table.look_up(APP, device(1_002)) == forgetful


def test_a_replay_remembers_what_it_cannot_put_back(tmp_path):
    with a_table(tmp_path, capacity=1) as (pages, table):
        for number in range(SLOTS):
            pages.put(a_slot(number, choice_of(number), TODAY + 1))
        pages.replay(a_slot(999, DeviceFacts(failures=failures_of(5)), TODAY))
        assert table.look_up(APP, device(999)) == DeviceFacts(latest=Latest(forgot=TODAY // 4 + 1).packed())


def test_offers_and_choices_are_forgotten_without_a_trace(tmp_path):
    with a_table(tmp_path, capacity=1) as (pages, table):
        for number in range(2 * SLOTS):
            pages.put(a_slot(number, choice_of(number) if number % 2 else offer_of(number), TODAY + number))
        assert table.look_up(APP, device(9_999)) is NO_FACTS


PUTS = st.lists(st.tuples(st.integers(0, 150), st.just(NO_FACTS) | FACTS, st.booleans()), max_size=200)


@settings(max_examples=40)
@given(PUTS)
def test_a_table_is_a_dict(puts):
    with TemporaryDirectory() as name, a_table(Path(name), capacity=3000) as (pages, table):
        model = {}
        for number, facts, replayed in puts:
            (pages.replay if replayed else pages.put)(a_slot(number, facts))
            model[number] = facts
        assert {number: table.look_up(APP, device(number)) for number in model} == model
        assert {number: pages.read(pages.key_of(APP, device(number)))[0] for number in model} == model
        if model:
            pages.swap(2)
            assert {number: table.look_up(APP, device(number)) for number in model} == model


def test_doubling_sends_a_page_to_itself_and_to_one_other():
    for number in range(1000):
        key = key_of(APP, device(number), SEED)
        assert page_of(key, 14) % 7 == page_of(key, 7)


HAMMER = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from facts_world import *
path = Path({path!r})
create_pages(path, {capacity}, SEED)
pages = FactPages(path, {capacity})
print("ready", flush=True)
turn = 0
while True:
    turn += 1
    for number in range({devices}):
        value = turn * {devices} + number
        pages.put(a_slot(number, NO_FACTS if value % 7 == 0 else full_of(value, turn)))
"""


def is_of(facts, number, devices):
    """What the hammer wrote for this device, whole, at some turn; or what it took away."""
    value = facts.channel
    expected = full_of(value, value // devices)
    if not value:
        return facts._replace(latest=0) == NO_FACTS  # that a failure was evicted from its page may be known
    return facts == expected and value % devices == number and value % 7 != 0


@pytest.mark.parametrize(("capacity", "devices"), [(1, 20), (5000, 3500), (1, 150)])
def test_a_reader_never_sees_half_a_fact_nor_a_foreign_one(tmp_path, capacity, devices):
    path = tmp_path / "facts.table"
    script = HAMMER.format(tests=str(WORLDS), path=str(path), capacity=capacity, devices=devices)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path.cwd()) as writer:
        assert writer.stdout.readline() == b"ready\n"
        table = FactsTable(path)
        values, wrong = set(), []
        for look in range(50_000):
            number = look % devices
            facts = table.look_up(APP, device(number))
            values.add(facts.channel)
            if not is_of(facts, number, devices):
                wrong.append((number, facts))
        os.kill(writer.pid, signal.SIGKILL)
    assert wrong == []
    assert len(values) > 100
    assert table.torn == 0
    table.close()
    FactPages(path, capacity).close()

import sqlite3
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.behaviour.daily_counts import Use
from edge.domain.facts import NOT_JUDGED, Behaviour
from edge.domain.statistics.device_key import device_key
from edge.telemetry.behaviour.judgements import encode_judgement, parse_judgement
from edge.telemetry.behaviour.pages import (
    BEHAVIOUR_SLOT_BYTES,
    KEY_SIZE,
    PAGE_SLOTS,
    SLOTS_START,
    TABLE_PAGE_BYTES,
    BehaviourHeader,
    UnreadableBehaviour,
    encode_table_header,
    packed_key,
    parse_table_header,
    place_of_key,
)
from edge.telemetry.behaviour.rows import (
    BEHAVIOUR_SCHEMA,
    Judgement,
    NotedBatch,
    all_judgements,
    all_places,
    erase_device,
    note_batch,
)
from edge.telemetry.behaviour.table import BehaviourTable
from edge.telemetry.behaviour.table_writer import SMALLEST_PAGES, BehaviourTableWriter

APP = "com.example.app"
DAY = 20_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "behaviour.table"


@pytest.fixture
def writer(path):
    writer = BehaviourTableWriter(path)
    yield writer
    writer.close()


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:")
    connection.executescript(BEHAVIOUR_SCHEMA)
    yield connection
    connection.close()


def judgement(device: int, day: int = DAY, sessions: int = 1) -> Judgement:
    behaviour = Behaviour(first_seen_days=0, sessions_7d=sessions, judged_day=day)
    return Judgement(device, encode_judgement(behaviour, 0), day)


def noted(*judgements: Judgement) -> NotedBatch:
    return NotedBatch(list(judgements), {}, False, Counter())


behaviours = st.builds(
    Behaviour,
    first_seen_days=st.integers(0, 100),
    judged_day=st.integers(100, 60_000),
    **dict.fromkeys(("sessions_7d", "errors_7d", "session_minutes_7d"), st.none() | st.integers(0, 65_534)),
    **dict.fromkeys(("update_delay_hours", "install_seconds"), st.none() | st.integers(0, 65_534)),
    features=st.none(),
    places=st.integers(0, (1 << 32) - 1),
    revision=st.integers(0, (1 << 32) - 1),
)


@given(behaviours)
def test_a_judgement_comes_back(behaviour):
    assert parse_judgement(encode_judgement(behaviour, 0), lambda name: None) == behaviour


def test_no_judgement_is_not_judged():
    assert parse_judgement(None, lambda name: None) is NOT_JUDGED


def test_workers_see_what_a_batch_judged(path, writer, connection):
    table = BehaviourTable(path)
    assert table.look_up(APP, "d") == NOT_JUDGED
    writer.show(note_batch(connection, [Use(APP, device_key(APP, "d"), DAY, sessions=11, features=["cart"])]))
    found = table.look_up(APP, "d")
    assert (found.sessions_7d, found.errors_7d, found.judged_day) == (11, None, DAY)
    assert "cart" in found.features and "pay" not in found.features
    assert table.of_device(APP, device_key(APP, "d")).sessions_7d == 11
    assert table.look_up(APP, "e") == NOT_JUDGED
    assert table.problem == ""


def test_a_name_that_gets_a_bit_later_is_seen(path, writer, connection):
    table, key = BehaviourTable(path), device_key(APP, "d")
    writer.show(note_batch(connection, [Use(APP, key, DAY, features=["cart"])]))
    assert "pay" not in table.look_up(APP, "d").features
    writer.show(note_batch(connection, [Use(APP, key, DAY + 1, features=["pay"])]))
    assert "pay" in table.look_up(APP, "d").features


def test_the_table_is_made_again_from_the_rows(path, writer, connection):
    writer.show(note_batch(connection, [Use(APP, at, DAY, sessions=2, features=["cart"]) for at in range(3000)]))
    table = BehaviourTable(path)
    assert table.of_device(APP, 5).sessions_7d == 2
    again = BehaviourTableWriter(path)  # of the next process: the reader's file is another's
    again.make(all_judgements(connection), all_places(connection), 3000)
    again.show(noted(judgement(5, sessions=77)))
    assert all(table.of_device(APP, at).sessions_7d == (77 if at == 5 else 2) for at in range(3000))
    assert "cart" in table.of_device(APP, 7).features
    again.close()


def test_an_erased_device_is_not_in_the_table(path, writer, connection):
    writer.show(note_batch(connection, [Use(APP, 1, DAY), Use(APP, 2, DAY)]))
    writer.show_all([erase_device(connection, 1), erase_device(connection, 3)])
    table = BehaviourTable(path)
    assert table.of_device(APP, 1) == NOT_JUDGED
    assert table.of_device(APP, 2).first_seen_days == 0


def test_a_full_page_makes_a_larger_table(path, writer):
    table = BehaviourTable(path)
    writer.show(noted(judgement(0)))
    assert table.of_device(APP, 0).sessions_7d == 1
    writer.show(noted(*map(judgement, range(20_000))))
    assert writer.made > 1 and writer.evicted == 0
    assert all(table.of_device(APP, at).sessions_7d == 1 for at in range(20_000))
    assert writer.size_bytes == path.stat().st_size <= 20_000 * 110


def test_at_its_largest_those_judged_longest_ago_make_room(path):
    writer = BehaviourTableWriter(path, capacity=1)
    held = SMALLEST_PAGES * PAGE_SLOTS
    writer.show(noted(*(judgement(at, DAY + at) for at in range(2 * held))))
    table = BehaviourTable(path)
    kept = [at for at in range(2 * held) if table.of_device(APP, at) is not NOT_JUDGED]
    assert writer.evicted == 2 * held - len(kept) and len(kept) == held
    assert set(range(2 * held - 500, 2 * held)) <= set(kept)
    writer.close()


def test_a_torn_slot_is_nobody(path, writer):
    writer.show(noted(judgement(1)))
    content = bytearray(path.read_bytes())
    header = parse_table_header(bytes(content[:TABLE_PAGE_BYTES]), len(content))
    start, _ = place_of_key(packed_key(1), header)
    content[start + SLOTS_START + KEY_SIZE + 4] ^= 1
    path.write_bytes(content)
    assert BehaviourTable(path).of_device(APP, 1) == NOT_JUDGED


@pytest.mark.parametrize("damage", [b"", b"x" * 8192, encode_table_header(BehaviourHeader(2, 1)), bytes(4096)])
def test_a_damaged_table_is_a_problem_and_nobody_is_judged(path, damage):
    path.write_bytes(damage)
    table = BehaviourTable(path)
    assert table.look_up(APP, "d") == NOT_JUDGED
    assert table.problem
    writer = BehaviourTableWriter(path)
    writer.make([judgement(device_key(APP, "d"))], {}, 1)
    assert table.look_up(APP, "d").sessions_7d == 1
    assert table.problem == ""
    writer.close()


def test_a_newer_format_is_refused_by_number():
    page = bytearray(encode_table_header(BehaviourHeader(1, 1)))
    page[8] = 2
    with pytest.raises(UnreadableBehaviour, match="format 2 is not 1"):
        parse_table_header(bytes(page), 2 * TABLE_PAGE_BYTES)


def test_a_page_is_used_to_its_end():
    assert SLOTS_START >= PAGE_SLOTS
    assert SLOTS_START + PAGE_SLOTS * BEHAVIOUR_SLOT_BYTES == TABLE_PAGE_BYTES

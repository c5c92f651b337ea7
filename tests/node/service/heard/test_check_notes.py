"""Notes of checks: each check counts once, each device is told once for its kind and hour, in bounded memory."""

from collections import Counter
from uuid import UUID

import pytest
from decision_world import a_view
from factories import APP, a_check
from histories import a_history
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.changes.commands import SegmentSettings, SetSegment
from edge.domain.decision.decide import decide
from edge.domain.facts import NO_FACTS, Behaviour
from edge.domain.model import Plugin
from edge.domain.schedule.rollout import Moment
from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort, Group
from edge.node.service.heard import check_notes
from edge.node.service.heard.check_notes import CheckNotes
from edge.node.service.heard.kinds import major_of
from edge.node.service.heard.told_devices import ROUNDS_LIMIT, noted_of

NOW = 1_759_999_800.0  # 600 seconds before an hour ends
MOMENT = Moment(NOW, NOW)
NOBODY = SetSegment(name="some", settings=SegmentSettings(where='country == "XX"'))
SNAPSHOT = a_view(a_history((NOBODY,)).state)  # whose segments are alike for all devices of a platform


def device(number):
    return str(UUID(int=number))


def key_of(number):
    return device_key(APP, device(number)).to_bytes(8, "little", signed=True)


def note(notes, check, snapshot=SNAPSHOT):
    notes.note(snapshot, check, decide(snapshot, check, MOMENT), NO_FACTS, MOMENT)


def taken(notes, now):
    return [each for checks in notes.take(now) for each in noted_of(checks)]


def keys_in(devices):
    return [devices[at : at + 8] for at in range(0, len(devices), 8)]


def test_checks_are_counted_and_devices_are_told_once_an_hour():
    notes = CheckNotes(Counter(), NOW)
    for number in (1, 2, 1, 1):
        note(notes, a_check(device=device(number), version_os="14.2", country="DE"))
    (noted,) = taken(notes, NOW + 10)
    assert (noted.n, keys_in(noted.devices)) == (4, [key_of(1), key_of(2)])
    group = Group("android", "production", ("droids",))
    assert noted.labels.cohort(noted.segments) == Cohort(group, "14", "DE", "8.51.14")
    assert (noted.labels.runs, noted.labels.code, noted.labels.offered) == ("builtin", "offer", "1.0.1")
    note(notes, a_check(device=device(1), version_os="14.2", country="DE"))
    (again,) = taken(notes, NOW + 20)
    assert (again.n, again.devices) == (1, b"")
    assert not notes.turn(NOW + 599.9) and notes.turn(NOW + 600)
    note(notes, a_check(device=device(1), version_os="14.2", country="DE"))
    (later,) = taken(notes, NOW + 610)
    assert (later.n, keys_in(later.devices)) == (1, [key_of(1)])


@pytest.mark.parametrize(
    ("plugin", "runs", "again"),
    [("8.51.14", "1.0.0", False), ("6.14.24", "1.0.0", True), ("6.14.24", "1.0.1", False), ("6.14.25", "1.0.0", False)],
)
def test_each_offer_is_told_where_a_failed_download_counts_for_some_minutes(plugin, runs, again):
    """Once for what is handed over together, however often the device asks."""
    notes = CheckNotes(Counter(), NOW)
    told = []
    for at in (NOW, NOW + 400):
        for _ in range(1_000):
            note(notes, a_check(device=device(1), plugin=Plugin(plugin), version_name=runs))
        (noted,) = taken(notes, at)
        assert noted.n == 1_000
        told.append(keys_in(noted.devices))
    assert told == [[key_of(1)], [key_of(1)] if again else []]


def test_what_is_noted_before_the_hour_ends_is_of_that_hour():
    notes = CheckNotes(Counter(), NOW)
    note(notes, a_check(device=device(1)))
    assert notes.turn(NOW + 600.5)
    note(notes, a_check(device=device(1)))
    before, after = taken(notes, NOW + 605)
    assert (before.at, after.at) == (NOW + 599.999, NOW + 605)
    assert before.devices == after.devices == key_of(1)


def test_an_hour_goes_on_while_the_one_before_waits():
    """So that a disk that takes nothing costs no memory."""
    notes = CheckNotes(Counter(), NOW)
    for hour in range(3):
        note(notes, a_check(device=device(1)))
        assert notes.turn(NOW + 600 + 3_600 * hour) is (hour == 0)
    assert [(each.n, len(each.devices)) for each in taken(notes, NOW + 9_000)] == [(1, 8), (2, 8)]
    assert notes.turn(NOW + 9_000)


def test_a_device_is_told_for_each_kind_of_its_checks():
    notes = CheckNotes(Counter(), NOW)
    note(notes, a_check(device=device(1)))
    note(notes, a_check(device=device(1), version_name="1.0.1"))
    noted = {(each.labels.runs, each.labels.code): each for each in taken(notes, NOW)}
    assert noted.keys() == {("builtin", "offer"), ("1.0.1", "up_to_date")}
    assert all(each.devices == key_of(1) for each in noted.values())


def latest_word(noted):
    """What each device ran when it was last heard of, as who reads in order finds it."""
    return {key: each.labels.runs for each in noted for key in keys_in(each.devices)}


RUNS = st.sampled_from(["1.0.0", "1.0.1", "1.0.2", "1.0.3"])


@given(st.lists(st.one_of(st.tuples(st.integers(0, 4), RUNS), st.none()), max_size=60))
def test_the_last_that_is_told_of_a_device_is_its_latest_check(events):
    """However it changes to and fro, and wherever a hand-over comes between."""
    notes, ran, told, words = CheckNotes(Counter(), NOW), {}, 0, {}
    for event in events:
        if event is None:
            noted = taken(notes, NOW)
            words |= latest_word(noted)
            told += sum(each.n for each in noted)
            assert words == ran
        else:
            number, runs = event
            note(notes, a_check(device=device(number), version_name=runs))
            ran[key_of(number)] = "builtin" if runs == "1.0.0" else runs
    words |= latest_word(noted := taken(notes, NOW))
    assert words == ran and told + sum(each.n for each in noted) == len([event for event in events if event])


def test_a_device_that_changes_all_the_time_costs_a_bounded_number_of_counts():
    notes = CheckNotes(Counter(), NOW)
    for turn in range(1_001):
        note(notes, a_check(device=device(1), version_name=f"1.0.{turn % 3}"))
    noted = taken(notes, NOW)
    assert sum(each.n for each in noted) == 1_001 and len(noted) <= 3 + ROUNDS_LIMIT
    assert latest_word(noted) == {key_of(1): "1.0.1"}


@pytest.mark.parametrize(
    "changes, kind",
    [({}, "device"), ({"is_prod": False}, "development"), ({"is_emulator": True, "is_prod": False}, "emulator")],
)
def test_emulators_and_development_builds_are_apart(changes, kind):
    notes = CheckNotes(Counter(), NOW)
    note(notes, a_check(**changes))
    assert [each.labels.kind for each in taken(notes, NOW)] == [kind]


@pytest.mark.parametrize(
    "system, major", [("14", "14"), ("17.4.1", "17"), ("", ""), ("Q", ""), ("12345", ""), ("10-beta", "10"), ("١", "")]
)
def test_of_a_system_the_major_version_counts(system, major):
    assert major_of(system) == major


def test_a_shed_check_is_counted_and_says_nothing_of_its_device():
    notes = CheckNotes(Counter(), NOW)
    notes.note_shed(a_check(device=device(1)))
    notes.note_shed(a_check(device=device(2)))
    (noted,) = taken(notes, NOW)
    assert (noted.labels.code, noted.labels.channel, noted.segments, noted.n, noted.devices) == ("shed", "", (), 2, b"")


checks = st.builds(
    lambda number, runs, system: a_check(device=device(number), version_name=runs, version_os=system),
    st.integers(0, 5),
    st.sampled_from(["1.0.0", "1.0.1", "9.9.9"]),
    st.sampled_from(["14", "15"]),
)
LUCKY = SetSegment(name="lucky", settings=SegmentSettings(where="bucket(50)"))
SNAPSHOTS = (SNAPSHOT, a_view(a_history((LUCKY,)).state))


@given(st.lists(st.tuples(checks, st.integers(0, 1), st.sampled_from(SNAPSHOTS))))
def test_what_two_workers_note_adds_up_to_what_one_would(asked):
    """Of a kind; the segments of a device are those of its first check with each worker."""
    alone, workers = CheckNotes(Counter(), NOW), [CheckNotes(Counter(), NOW) for _ in range(2)]
    for check, number, snapshot in asked:
        note(alone, check, snapshot)
        note(workers[number], check, snapshot)
    assert added(alone) == added(*workers)


def added(*workers):
    n, devices = Counter(), {}
    for each in (each for notes in workers for each in taken(notes, NOW)):
        n[each.labels] += each.n
        devices.setdefault(each.labels, set()).update(keys_in(each.devices))
    return n, devices


@given(st.lists(st.one_of(checks, st.sampled_from([10.0, 4_000.0])), max_size=40), st.booleans())
def test_no_check_is_lost_or_counted_twice_over_takings_and_hours(events, takes):
    notes, now, asked, seen = CheckNotes(Counter(), NOW), NOW, 0, 0
    for each in events:
        if isinstance(each, float):
            now += each
            notes.turn(now)
            seen += sum(noted.n for noted in taken(notes, now)) if takes else 0
        else:
            note(notes, each)
            asked += 1
    assert seen + sum(noted.n for noted in taken(notes, now)) == asked


def test_who_makes_up_words_loses_them_and_takes_no_room_of_others(monkeypatch):
    monkeypatch.setattr(check_notes, "KINDS_OF_APP_LIMIT", 3)
    dropped = Counter()
    notes = CheckNotes(dropped, NOW)
    for number in range(100):
        note(notes, a_check(device=device(number), version_os=f"{number}", version_name=f"9.9.{number}"))
    noted = taken(notes, NOW)
    assert sum(each.n for each in noted) == 100
    assert len({key for each in noted for key in keys_in(each.devices)}) == 100
    assert len(noted) <= 4
    (rest,) = [each for each in noted if each.labels.os == "other"]
    assert (rest.labels.runs, rest.labels.plugin, rest.labels.country) == ("other", "other", "other")
    assert rest.labels.channel == "production"
    assert dropped["heard_labels_dropped"] >= 96
    other = a_view(a_history(()).state)
    note(notes, a_check(app="com.example.other", version_os="14"), other)
    assert [each.labels.os for each in taken(notes, NOW)] == ["14"]


def test_apps_that_fill_their_room_leave_some_for_another(monkeypatch):
    monkeypatch.setattr(check_notes, "KINDS_OF_APP_LIMIT", 32)
    monkeypatch.setattr(check_notes, "ALWAYS_OF_APP", 2)
    notes = CheckNotes(Counter(), NOW, numbers_limit=512)
    for app in range(16):
        for number in range(200):
            made_up = {"version_os": f"{number}", "version_name": f"9.{number}.0"}
            note(notes, a_check(app=f"com.example.app{app}", device=device(number), **made_up))
    taken(notes, NOW)
    note(notes, a_check(app="com.example.other", version_os="14"), a_view(a_history(()).state))
    assert [each.labels.os for each in taken(notes, NOW)] == ["14"]


def test_where_a_device_belongs_and_its_offer_outlast_what_devices_make_up(monkeypatch):
    monkeypatch.setattr(check_notes, "KINDS_OF_APP_LIMIT", 3)
    monkeypatch.setattr(check_notes, "FEWER_OF_APP_LIMIT", 1)
    notes = CheckNotes(Counter(), NOW)
    for number in range(20):
        note(notes, a_check(device=device(number), version_os=f"{number}", version_name=f"6.6.{number}"))
    offers = [each for each in taken(notes, NOW) if each.labels.code == "offer"]
    assert {(each.labels.channel, each.labels.offered) for each in offers} == {("production", "1.0.1")}


def test_made_up_words_take_no_room_of_segments(monkeypatch):
    monkeypatch.setattr(check_notes, "KINDS_OF_APP_LIMIT", 2)
    notes = CheckNotes(Counter(), NOW)
    segment = SetSegment(name="all", settings=SegmentSettings(where="bucket(100)"))
    for number in range(9):
        note(notes, a_check(device=device(number), version_os=f"{number}"), a_view(a_history([segment]).state))
    assert {"all" in each.segments for each in taken(notes, NOW)} == {True}


def test_a_bundle_that_can_be_offered_keeps_its_name_however_many_are_made_up(monkeypatch):
    monkeypatch.setattr(check_notes, "KINDS_OF_APP_LIMIT", 0)
    notes = CheckNotes(Counter(), NOW)
    note(notes, a_check(version_name="1.0.1"))
    note(notes, a_check(version_name="6.6.6"))
    note(notes, a_check())
    assert {each.labels.runs for each in taken(notes, NOW)} == {"1.0.1", "other", "builtin"}


def test_beyond_all_limits_checks_are_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(check_notes, "KINDS_OF_APP_LIMIT", 2)
    monkeypatch.setattr(check_notes, "FEWER_OF_APP_LIMIT", 1)
    dropped = Counter()
    notes = CheckNotes(dropped, NOW, numbers_limit=16)
    for number in range(200):
        app = f"com.example.app{number}"
        note(notes, a_check(app=app, version_os=f"{number}", device=device(number)))
        note(notes, a_check(app=app, version_os="other", device=device(number)))
    noted = taken(notes, NOW)
    assert sum(each.n for each in noted) + dropped["heard_checks_dropped"] == 400
    assert dropped["heard_checks_dropped"] > 300 and len(noted) <= 16
    assert len(notes._kinds) <= 8 and len(notes.counts) <= 17


def test_segments_beyond_their_room_are_left_out_and_leave_nothing_behind(monkeypatch):
    monkeypatch.setattr(check_notes, "KINDS_OF_APP_LIMIT", 1)
    lists = [SetSegment(name=f"s{n}", settings=SegmentSettings(where="bucket(50)")) for n in range(8)]
    snapshot = a_view(a_history(lists).state)
    notes = CheckNotes(Counter(), NOW)
    for number in range(300):
        note(notes, a_check(device=device(number)), snapshot)
    noted = taken(notes, NOW)
    assert sum(each.n for each in noted) == 300 and len(noted) <= 2
    assert len(notes.counts) <= 3


def test_a_device_that_finds_no_room_is_told_with_a_later_check(monkeypatch):
    monkeypatch.setattr(check_notes, "POSTPONING_LIMIT", 2)
    dropped = Counter()
    notes = CheckNotes(dropped, NOW)
    for number in (1, 2, 3, 3):
        note(notes, a_check(device=device(number)))
    (noted,) = taken(notes, NOW)
    assert (noted.n, keys_in(noted.devices)) == (4, [key_of(1), key_of(2)])
    assert dropped["heard_devices_postponed"] == 2
    note(notes, a_check(device=device(3)))
    (later,) = taken(notes, NOW)
    assert keys_in(later.devices) == [key_of(3)]


def test_nothing_that_is_taken_names_a_device_but_by_its_key():
    notes = CheckNotes(Counter(), NOW)
    note(notes, a_check(device=device(7), custom_id="jane@example.com"))
    told = repr(taken(notes, NOW))
    assert device(7) not in told and "jane" not in told


def test_segments_by_behaviour_are_told_though_no_decision_reads_them():
    power = SetSegment(name="power", settings=SegmentSettings(where="sessions_7d > 10"))
    snapshot = a_view(a_history((power,)).state)
    assert snapshot.reads_behaviour and not snapshot.asks_facts
    used = {f"{APP}\0{device(number)}".encode(): Behaviour(sessions_7d=9 + number) for number in (1, 2)}
    notes = CheckNotes(Counter(), NOW, lambda facts, name: facts._replace(behaviour=used[name]))
    for number in (1, 2):
        note(notes, a_check(device=device(number)), snapshot)
    told = {noted.segments: keys_in(noted.devices) for noted in taken(notes, NOW + 10)}
    assert {("power" in segments, *keys) for segments, keys in told.items()} == {
        *((False, key_of(1)), (True, key_of(2))),
    }

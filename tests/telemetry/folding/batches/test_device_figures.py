"""From lines to figures: what follows from the reports and checks of devices, by the definitions.

Reports are those of one device with a clock of its own, in seconds after its first one.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from itertools import chain

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telemetry_lines import APP, DAY, NOW, write_segment

from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.meanings import MEANINGS
from edge.domain.statistics.observation import Cohort, Group, Step
from edge.telemetry.folding import label_numbers
from edge.telemetry.folding.batches.known_outcomes import known_outcomes
from edge.telemetry.folding.counts import read_totals
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.words import WordKind
from edge.telemetry.spool.app_records import (
    AppEvent,
    KnownOutcomes,
    Outcome,
    Outcomes,
    Used,
    encode_outcomes,
    encode_used,
)
from edge.telemetry.spool.worker_records import (
    Delivered,
    DeliveredCount,
    HeardChecks,
    encode_delivered,
    encode_heard,
    heard_count,
)
from edge.wire.actions import ACTIONS

NAMES = {APP: {"1.0.0", "1.0.1", "1.0.2"}}
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
DEVICES = "SELECT key, first_ms, last_ms, word, days FROM devices"
WRONG_BY = 3 * DAY  # the device's clock
COHORT = Cohort(Group("android", "production", side="r/new"), "14", "DE", "8.51.14")
MINUTES = 60
DAY_MS = 86_400_000
COHORT_WORDS = f"SELECT word FROM words WHERE kind = {int(WordKind.COHORT)}"


def reported(after, action, version="1.0.1", *, clock=True, device=DEVICE, plugin="8.51.14", **members):
    sent = {"app_id": APP, "device_id": device, "action": action, "version_name": version, "platform": "android"}
    sent |= {"plugin_version": plugin, "version_os": "14"} | members
    if clock:
        sent["timestamp"] = int((NOW + WRONG_BY + after) * 1000)
    at_ms = int((NOW + after) * 1000)
    return b'{"received_ms":%d,"net":1,"events":1,"sent":%s}' % (at_ms, msgspec.json.encode(sent))


def checked(after, *, runs="1.0.0", offered="", device=DEVICE, sequence=1, n=1, cohort=COHORT, stream="n-0-1"):
    key = device_key(APP, device).to_bytes(8, "little", signed=True)
    code = "offer" if offered else "up_to_date"
    of = [heard_count(cohort, runs, code, offered, n, key)]
    return encode_heard(HeardChecks(stream, sequence, APP, of), NOW + after)


def lines_of(*reports, **more):
    return [reported(*each, **more) for each in reports]


class Counted:
    def __init__(self, folder):
        self.spool, self.database = folder / "spool", folder / "counts.db"
        self.spool.mkdir(exist_ok=True)

    def fold(self, *groups, worker=0, now=NOW):
        if groups:
            write_segment(self.spool, *groups, worker=worker)
        return fold(self.spool, self.database, now=now, names_of=NAMES.get)

    def rows(self, query):
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()

    def sums(self):
        rows = self.rows("SELECT word, sum(n), sum(total) FROM sums_day JOIN words ON words.id = subject GROUP BY word")
        return {subject: (n, total) for subject, n, total in rows}

    def steps(self):
        rows = self.rows("SELECT word, bits FROM steps JOIN words ON words.id = bundle")
        return {bundle: Step(bits) for bundle, bits in rows}

    def everything(self):
        """By words, not by the numbers they happened to get."""
        labels = "labels.word, bundles.word, subjects.word"
        joined = (
            "JOIN words AS labels ON labels.id = grp JOIN words AS bundles ON bundles.id = bundle"
            " JOIN words AS subjects ON subjects.id = subject"
        )
        steps = "SELECT words.word, key, bits, offered_min, failed_min, healthy_min, word_first_min, word_last_min"
        return {
            "sums": Counter(self.rows(f"SELECT period, {labels}, n, total FROM sums_hour {joined}")),
            "spreads": Counter(self.rows(f"SELECT period, {labels}, bucket, n FROM histograms_day {joined} WHERE n")),
            "devices": Counter(self.rows(f"{DEVICES} JOIN words ON id = bundle")),
            "steps": Counter(self.rows(f"{steps} FROM steps JOIN words ON words.id = bundle")),
            "retention": Counter(self.rows("SELECT day, age, word, n FROM retention JOIN words ON id = grp")),
            "fates": Counter(dict(self.rows("SELECT name, sum(n) FROM segment_counts GROUP BY name"))),
        }


@pytest.fixture
def counted(tmp_path):
    return Counted(tmp_path)


def test_meanings_are_of_known_actions():
    assert MEANINGS.keys() <= ACTIONS


# --- healthy ---

SET = (0, "set")


@pytest.mark.parametrize(
    ("then", "is_healthy"),
    [
        ([], False),
        ([(1, "app_launch_ready")], True),
        ([(29, "app_moved_to_background")], False),
        ([(30, "app_moved_to_background")], True),
        ([(90, "set")], False),
        ([(90, "app_launch_start")], False),
        ([(90, "app_moved_to_foreground")], False),  # both systems send it at a start, too
        ([(90, "app_moved_to_foreground"), (100, "webview_page_loaded")], False),
        ([(90, "app_moved_to_foreground"), (120, "webview_page_loaded")], True),
        ([(90, "app_launch_start"), (119, "webview_page_loaded")], False),
        *(([(90, action)], False) for action in ("app_crash", "app_crash_native", "app_anr")),
        ([(90, "app_initialization_failure")], False),
        ([(90, "webview_unclean_restart")], False),
        ([(90, "app_moved_to_background", "1.0.0")], False),  # of another bundle
        ([(90, "download_complete")], False),  # what is not said of the running bundle
        ([(90, "delete")], False),
    ],
)
@pytest.mark.parametrize("clock", [True, False])
def test_what_proves_that_a_bundle_starts(counted, then, is_healthy, clock):
    counted.fold(lines_of(SET, *then, clock=clock))
    assert bool(counted.steps()["1.0.1"] & Step.HEALTHY) is is_healthy


def test_no_check_proves_anything(counted):
    counted.fold([*lines_of(SET), checked(90, runs="1.0.1"), checked(900, runs="1.0.1", sequence=2)])
    assert counted.steps()["1.0.1"] == Step.DOWNLOADED | Step.INSTALLED | Step.WORD


def test_what_was_not_installed_is_not_healthy(counted):
    counted.fold(lines_of((0, "app_launch_start"), (1, "app_launch_ready"), (99, "app_moved_to_background")))
    assert not counted.steps()["1.0.1"] & Step.HEALTHY


def test_a_queue_sent_later_is_judged_by_the_devices_clock(counted):
    """All received at once, a day later."""
    sent = [reported(0, "set"), reported(20, "app_moved_to_background")]
    late = [b'{"received_ms":%d,%s' % (int((NOW + DAY) * 1000), each.split(b",", 1)[1]) for each in sent]
    counted.fold(late)
    assert not counted.steps()["1.0.1"] & Step.HEALTHY


@pytest.mark.parametrize(
    ("then", "is_reverted"),
    [
        ([(200, "reset", "builtin")], True),
        ([(200, "set", "1.0.0")], True),
        ([(200, "set", "1.0.2")], False),
        ([(200, "set", "1.0.1")], False),
    ],
)
def test_what_went_back_was_healthy_before(counted, then, is_reverted):
    counted.fold(lines_of(SET, (90, "app_moved_to_background"), *then))
    assert bool(counted.steps()["1.0.1"] & Step.REVERTED) is is_reverted
    second = "11119a6b-eefe-490a-9c60-8e965132ae51"
    counted.fold(lines_of(SET, (10, "update_fail"), *then, device=second), worker=1)
    failed = [Step(bits) for (bits,) in counted.rows("SELECT bits FROM steps") if bits & Step.FAILED_BOOT]
    assert failed and not any(bits & Step.REVERTED for bits in failed)


@pytest.mark.parametrize("apart", [False, True])
def test_a_way_back_is_from_what_ran_before_though_nothing_names_it(counted, apart):
    """Old plugins do not say what they left, and it may be some folds ago that they named it."""
    there, back = lines_of((0, "set"), (60, "app_launch_ready")), lines_of((900, "reset", "builtin"))
    if apart:
        counted.fold(there)
        counted.fold(back)
    else:
        counted.fold([*there, *back])
    assert counted.steps()["1.0.1"] & Step.REVERTED


def test_a_failure_is_told_by_the_action_that_says_most(counted):
    counted.fold(lines_of((0, "checksum_fail"), (5, "set"), (15, "update_fail")))
    assert counted.steps()["1.0.1"] & (Step.FAILED_BOOT | Step.FAILED_INSTALL) == Step.FAILED_BOOT | Step.FAILED_INSTALL
    assert counted.rows("SELECT word FROM steps JOIN words ON words.id = cause") == [("update_fail",)]


@pytest.mark.parametrize(
    ("plugin", "after", "fails"), [("8.51.14", 3_600, 1), ("6.14.24", 3_600, 0), ("6.14.24", 500, 1)]
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_failed_download_is_of_the_bundle_that_was_offered(counted, plugin, after, fails, apart):
    """Also where the offer was counted some folds before."""
    offer = checked(0, offered="1.0.1", cohort=COHORT._replace(plugin=plugin))
    failure = lines_of((after, "download_fail", "1.0.0"), plugin=plugin)
    if apart:
        counted.fold([offer])
        counted.fold(failure)
    else:
        counted.fold([offer, *failure])
    assert [bundle for bundle, bits in counted.steps().items() if bits & Step.FAILED_INSTALL] == ["1.0.1"] * fails


# --- heard of ---

FELL_BACK = [(0, "update_fail", "1.0.2"), (0, "reset", "builtin"), (0, "set", "1.0.1")]
WAITED = [(0, "download_complete", "1.0.2"), (0, "app_moved_to_background", "1.0.1")]


@pytest.mark.parametrize(
    ("events", "heard_on"),
    [(FELL_BACK, ["1.0.1", "1.0.2", "builtin"]), (WAITED, ["1.0.1", "1.0.2"]), (WAITED[:1], ["1.0.2"])],
)
@pytest.mark.parametrize("is_split", [False, True])
def test_a_report_is_heard_of_alike_in_one_line_and_in_several(counted, events, heard_on, is_split):
    """An event that does not say what runs is of what ran so far, in a node's hour of its own."""
    lines = lines_of(*((3_600, *event[1:]) for event in events))
    if not is_split:
        sent = [msgspec.json.decode(line)["sent"] for line in lines]
        at_ms = int((NOW + 3_600) * 1000)
        lines = [
            b'{"received_ms":%d,"net":1,"events":%d,"sent":%s}' % (at_ms, len(sent), msgspec.json.encode(sent)),
        ]
    counted.fold([*lines_of((0, "set", "1.0.2")), *lines])
    heard = counted.rows(
        "SELECT DISTINCT bundles.word FROM sketches_hour JOIN words AS bundles ON bundles.id = bundle"
        " JOIN words AS subjects ON subjects.id = subject AND subjects.word = 'heard'"
        " WHERE period > (SELECT min(period) FROM sketches_hour) ORDER BY 1"
    )
    assert [bundle for (bundle,) in heard] == heard_on


@pytest.mark.parametrize("batches", [1, 2])
def test_a_failed_download_is_of_the_offer_before_it_in_whichever_fold(counted, batches):
    lines = [checked(0, runs="1.0.2", offered="1.0.1"), *lines_of((60, "download_fail", "1.0.2"))]
    for worker, group in enumerate([lines] if batches == 1 else [lines[:1], lines[1:]]):
        counted.fold(group, worker=worker)
    assert [bundle for bundle, bits in counted.steps().items() if bits & Step.FAILED_INSTALL] == ["1.0.1"]


def test_a_download_that_fails_before_its_offer_is_handed_over_is_of_that_offer(counted):
    earlier = checked(-MINUTES, runs="1.0.2", offered="1.0.0")
    failed = lines_of((4, "download_fail", "1.0.2"))
    counted.fold([earlier, *failed, checked(9, runs="1.0.2", offered="1.0.1", sequence=2)])
    assert [bundle for bundle, bits in counted.steps().items() if bits & Step.FAILED_INSTALL] == ["1.0.1"]


# --- sessions ---


SHORT = [(0, "app_moved_to_foreground"), (60, "app_moved_to_background")]


def sessions(counted):
    found = counted.sums()
    return found.get("session", (0, 0))[0], found.get("session_end", (0, 0))


@pytest.mark.parametrize(
    ("reports", "begun", "ended"),
    [
        (SHORT, 1, (1, 60)),
        ([(0, "app_launch_start"), (1, "app_moved_to_foreground"), (60, "app_moved_to_background")], 1, (1, 60)),
        ([(0, "app_launch_start")], 1, (0, 0)),
        ([(0, "app_launch_start"), (29 * MINUTES, "app_launch_start")], 1, (0, 0)),
        ([(0, "app_launch_start"), (30 * MINUTES, "app_launch_start")], 2, (0, 0)),  # it was killed
        (
            [*SHORT, (600, "app_moved_to_foreground"), (700, "app_moved_to_background")],
            1,
            (1, 700),
        ),
        (
            [*SHORT, (60 + 30 * MINUTES, "app_moved_to_foreground"), (2_000, "app_moved_to_background")],
            2,
            (2, 200),
        ),
        ([(0, "app_moved_to_background")], 0, (0, 0)),
    ],
)
def test_sessions_and_their_length(counted, reports, begun, ended):
    counted.fold(lines_of(*reports))
    assert sessions(counted) == (begun, ended)
    assert sum(n for (n,) in counted.rows("SELECT n FROM histograms_day")) == ended[0]


def at_clock(after, action, clock, version="1.0.1"):
    return reported(after, action, version, clock=False, timestamp=clock)


def test_a_clock_that_was_set_proves_nothing_and_lengthens_no_session(counted):
    right = int((NOW + 1) * 1000)
    counted.fold([at_clock(0, "set", 1_000), at_clock(1, "webview_javascript_error", right)])
    assert not counted.steps()["1.0.1"] & Step.HEALTHY
    of_days = [
        at_clock(9, "app_moved_to_foreground", right),
        at_clock(10, "app_moved_to_background", right + 32 * DAY_MS),
    ]
    counted.fold(of_days, worker=1)
    assert sessions(counted) == (1, (1, 1.0))


def test_sessions_of_a_device_that_was_offline_for_days_are_those_that_it_had(counted):
    clocks = [int(NOW * 1000) - days * DAY_MS for days in (3, 2, 1)]
    used = [
        at_clock(place / 1_000, f"app_moved_to_{where}", clock + after)
        for place, clock in enumerate(clocks)
        for where, after in (("foreground", 0), ("background", 60_000))
    ]
    counted.fold(used)  # all at once, from its queue
    assert sessions(counted) == (3, (3, 180.0))


def test_no_session_lasts_longer_than_a_day(counted):
    counted.fold(lines_of((0, "app_moved_to_foreground"), (30 * 3_600, "app_moved_to_background")))
    assert sessions(counted) == (1, (1, 86_400.0))


def test_crashes_are_figures_of_devices_that_can_tell(counted):
    crash = [(0, "app_launch_start"), (1, "app_crash"), (2, "app_anr")]
    counted.fold(lines_of(*crash))
    old = "11119a6b-eefe-490a-9c60-8e965132ae51"
    counted.fold(lines_of(*crash, device=old, version_os="10"), worker=1)
    found = counted.sums()
    names = ("crash_capable", "crashed", "session_capable", "session_crashed", "session")
    assert [found[name][0] for name in names] == [1, 1, 1, 1, 2]


def test_whether_a_device_can_tell_of_crashes_follows_from_itself_and_from_no_bounded_label(counted, monkeypatch):
    for limit in ("MADE_UP_COHORTS_LIMIT", "COHORTS_LIMIT", "FEWER_COHORTS_LIMIT"):
        monkeypatch.setattr(label_numbers, limit, 0)
    crash = [(0, "app_launch_start"), (1, "app_crash"), (100, "download_fail", "1.0.0")]
    counted.fold(lines_of(*crash[:1], plugin="8.51.999"), [checked(0, offered="1.0.1", device=DEVICE)])
    assert all(json[1:].endswith('"other","other","other"]') for (json,) in counted.rows(COHORT_WORDS))
    counted.fold([checked(20, sequence=2, cohort=COHORT._replace(os="other", plugin="other"))])
    counted.fold(lines_of(*crash[1:], plugin="8.51.999"))
    found = counted.sums()
    assert [found[name][0] for name in ("crash_capable", "crashed", "session_crashed")] == [1, 1, 1]


def test_a_failed_download_is_of_an_offer_for_as_long_as_the_devices_own_release_says(counted, monkeypatch):
    for limit in ("MADE_UP_COHORTS_LIMIT", "COHORTS_LIMIT", "FEWER_COHORTS_LIMIT"):
        monkeypatch.setattr(label_numbers, limit, 0)
    strict, lax = DEVICE, "11119a6b-eefe-490a-9c60-8e965132ae51"
    for sequence, (device, plugin) in enumerate([(strict, "8.51.14"), (lax, "5.9.5")], 1):
        offer = checked(0, offered="1.0.1", device=device, sequence=sequence, cohort=COHORT._replace(plugin=plugin))
        counted.fold([offer], lines_of((3_600, "download_fail", "1.0.0"), device=device, plugin=plugin))
    rows = counted.rows("SELECT key, bits FROM steps JOIN words ON id = bundle WHERE word = '1.0.1'")
    failed = {key for key, bits in rows if bits & Step.FAILED_INSTALL}
    assert failed == {device_key(APP, strict)}


def test_errors_of_one_device_are_capped_by_the_day_and_its_reports_are_not(counted):
    counted.fold(lines_of(*((second, "webview_javascript_error") for second in range(150))))
    assert (counted.sums()["error"][0], counted.sums()["report:webview_javascript_error"][0]) == (100, 150)


# --- checks, deliveries, the app's own events, outcomes ---


def test_a_line_of_checks_that_comes_again_counts_once(counted):
    counted.fold([checked(0, n=7), checked(0, n=7), checked(9, n=2, sequence=2)])
    counted.fold([checked(9, n=2, sequence=2)], worker=1)
    assert counted.sums()["check:up_to_date"] == (9, 0)
    totals = read_totals(counted.database)
    assert (totals["checks"], totals["repeated_checks"]) == (9, 9)


def test_an_offer_a_download_and_its_update_take_their_time(counted):
    reports = [(20, "download_10"), (50, "download_complete"), (3_600, "set")]
    counted.fold([checked(0, offered="1.0.1"), *lines_of(*reports)])
    assert counted.steps()["1.0.1"] == Step.OFFERED | Step.DOWNLOADED | Step.INSTALLED | Step.WORD
    assert (counted.sums()["download"], counted.sums()["update"]) == ((1, 30), (1, 3_600))


def test_steps_have_the_labels_of_the_offer(counted):
    later = COHORT._replace(group=COHORT.group._replace(channel="beta"))
    counted.fold([*lines_of(SET), checked(5, offered="1.0.1"), checked(99, offered="1.0.1", sequence=2, cohort=later)])
    joined = "JOIN words AS cohorts ON cohorts.id = cohort JOIN words AS bundles ON bundles.id = bundle"
    found = dict(counted.rows(f"SELECT bundles.word, cohorts.word FROM steps {joined}"))
    assert '"production"' in found["1.0.1"]


def test_a_devices_first_day_has_the_labels_of_its_first_check(counted):
    counted.fold([*lines_of(SET), checked(5)])
    assert counted.rows("SELECT age, word, n FROM retention JOIN words ON words.id = grp") == [
        (0, '["android","production",[],"r/new","","device"]', 1)
    ]


def test_deliveries_add_up(counted):
    of = [DeliveredCount("1.0.1", "zip", "gzip", 3, 1, 900, 4.5), DeliveredCount("1.0.1", "file", "br", 0, 2, 10)]
    counted.fold([encode_delivered(Delivered("n-0-1", 1, APP, of), NOW)] * 2)
    found = {subject: sums for subject, sums in counted.sums().items() if subject.startswith("delivery:")}
    assert found == {
        "delivery:zip:gzip:complete": (3, 900),
        "delivery:zip:gzip:cut": (1, 0),
        "delivery:zip:gzip:seconds": (3, 4.5),
        "delivery:file:br:cut": (2, 10),
    }


def used(*events, received=NOW, custom_id=""):
    return encode_used(Used(APP, DEVICE, [AppEvent(*each) for each in events], custom_id, "android"), received)


def test_an_apps_own_events_count_once_each_and_their_names_are_bounded(counted):
    again = ("cart", "feature", 5)
    counted.fold([used(again, again, ("load", "duration", 6, 1.5))], [used(again, received=NOW + 60)])
    found = counted.sums()
    assert (found["event:feature:cart"], found["event:duration:load"]) == ((1, 0), (1, 1.5))
    assert read_totals(counted.database)["duplicates"] == 2
    counted.fold([used(*((f"n{number}", "feature", 7) for number in range(300)))], worker=1)
    assert len([name for name in counted.sums() if name.startswith("event:")]) == 200 + 1
    assert counted.sums()["event:other"] == (102, 0)


def test_outcomes_are_of_the_bundle_that_ran_then_and_count_once(counted):
    day_ms = int(DAY * 1000)
    counted.fold(
        [reported(0, "set", "1.0.0", custom_id="ann"), *lines_of((2 * DAY, "set", "1.0.1"))],
        [
            encode_outcomes(
                Outcomes(APP, [
                    Outcome("ticket", "1", int(NOW * 1000) + day_ms, device=DEVICE),
                    Outcome("ticket", "2", int(NOW * 1000) + 3 * day_ms, custom_id="ann", value=2.0),
                    Outcome("ticket", "1", int(NOW * 1000), device=DEVICE),
                    Outcome("ticket", "3", int(NOW * 1000), custom_id="nobody"),
                ]),
                NOW + 4 * DAY,
            )
        ],
        now=NOW + 4 * DAY,
    )  # fmt: skip
    rows = counted.rows(
        "SELECT period, b.word, n, total FROM sums_day JOIN words ON words.id = subject"
        " JOIN words AS b ON b.id = bundle WHERE words.word = 'outcome:ticket' ORDER BY 1, 2"
    )
    day = int(NOW // DAY)
    assert rows == [(day + 1, "1.0.0", 1, 0), (day + 3, "1.0.1", 1, 2)]
    assert counted.sums()["outcome_unmatched:ticket"] == (1, 0)  # of a custom id that no device has stated
    stated = Outcomes(APP, [
        Outcome("ticket", "2", 0, custom_id="ann"),
        Outcome("ticket", "4", 0, custom_id="ann"),
        Outcome("ticket", "4", 0, custom_id="nobody"),
        Outcome("ticket", "5", 0, device=DEVICE[:-1] + "2"),
        Outcome("rating", "5", 0, device=DEVICE),
    ])  # fmt: skip
    with closing(sqlite3.connect(counted.database)) as connection:
        assert known_outcomes(connection, stated) == KnownOutcomes(repeated=2, unmatched=1)
        assert known_outcomes(connection, Outcomes("com.other", stated.of)) == KnownOutcomes(1, 4)
    assert read_totals(counted.database)["duplicates"] == 1


# --- any split, any order of workers ---

STORIES = st.lists(
    st.tuples(
        st.integers(0, 5 * 86_400),
        st.sampled_from(
            [
                "set",
                "update_fail",
                "app_launch_start",
                "app_launch_ready",
                "app_moved_to_foreground",
                "download_0",
                "reset",
                "app_moved_to_background",
                "app_crash",
                "download_complete",
                "download_fail",
                "webview_javascript_error",
            ]
        ),
        st.sampled_from(["1.0.0", "1.0.1", "1.0.2"]),
        st.sampled_from([DEVICE, "11119a6b-eefe-490a-9c60-8e965132ae51"]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda each: each[0],
)


@settings(max_examples=30)
@given(STORIES, st.integers(0, 13), st.lists(st.integers(0, 2), min_size=14, max_size=14), st.booleans())
def test_any_split_and_any_workers_give_the_same(tmp_path_factory, story, at, workers, clock):
    story = sorted(story)
    lines = [reported(*each[:3], device=each[3], clock=clock) for each in story]
    offers = ("", "1.0.1", "", "1.0.2")
    lines = list(chain(*([checked(each[0], device=each[3], sequence=place + 1, offered=offers[place % 4]), line]
                         for place, (each, line) in enumerate(zip(story, lines, strict=True)))))  # fmt: skip
    whole = Counted(tmp_path_factory.mktemp("whole"))
    whole.fold(*([line] for line in lines))
    parts = Counted(tmp_path_factory.mktemp("parts"))
    for part in (lines[: 2 * at], lines[2 * at :]):
        for worker in (2, 0, 1):
            own = [line for place, line in enumerate(part) if workers[place // 2] == worker]
            if own:
                write_segment(parts.spool, *([line] for line in own), worker=worker)
        parts.fold()
    assert parts.everything() == whole.everything()


# --- the labels of a report: those of the check before it, which may be handed over after it ---

GROUPS = "SELECT DISTINCT words.word FROM sums_hour JOIN words ON words.id = grp"
REST = COHORT._replace(group=COHORT.group._replace(side="r/rest"))


def sides(counted, action):
    """How many of such reports each side has."""
    subjects = "JOIN words AS subjects ON subjects.id = subject JOIN words AS labels ON labels.id = grp"
    rows = counted.rows(
        f"SELECT labels.word, sum(n) FROM sums_hour {subjects} WHERE subjects.word = 'report:{action}' GROUP BY 1"
    )
    return {msgspec.json.decode(word)[3]: n for word, n in rows}


@pytest.mark.parametrize(
    ("reported_at", "side"), [(0, ""), (1, "r/new"), (10, "r/new"), (11, "r/new"), (24, "r/new"), (25, "r/rest")]
)
def test_a_report_has_the_labels_of_the_check_before_it(counted, reported_at, side):
    """Checks are handed over at 11 and at 35."""
    lines = [(11, checked(11)), (35, checked(35, sequence=2, cohort=REST))]
    lines.append((reported_at, reported(reported_at, "webview_javascript_error")))
    counted.fold([line for _, line in sorted(lines, key=lambda each: each[0])])
    assert sides(counted, "webview_javascript_error") == {side: 1}


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.booleans()), min_size=1, max_size=20), st.integers(0, 20)
)
def test_any_split_after_a_hand_over_gives_the_same_labels(tmp_path_factory, told, at):
    """Checks are handed over each 10 s, and before a count."""
    lines, cohort = [], COHORT
    for handed in range(10, 220, 10):
        own = sorted(each for each in told if handed - 10 <= each[0] < handed)
        lines += [(second, [reported(second, "app_crash")]) for second, _, _ in own]
        for place, (_, is_new, checks) in enumerate(own):
            cohort = COHORT if is_new else REST
            if checks:
                lines.append((handed, [checked(handed, sequence=100 * handed + place, cohort=cohort)]))
    whole, parts = (Counted(tmp_path_factory.mktemp(name)) for name in ("whole", "parts"))
    whole.fold(*(group for _, group in lines))
    border = sum(second < 10 * at or (second == 10 * at and b'"heard"' in group[0]) for second, group in lines)
    for worker, part in enumerate((lines[:border], lines[border:])):
        if part:
            parts.fold(*(group for _, group in part), worker=worker)
    assert parts.everything() == whole.everything()

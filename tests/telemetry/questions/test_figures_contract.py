"""Every implementation of the port answers the same from the same observations: what is written down here.

Estimates of distinct devices are exact for few, and within 2 % for many.
"""

import random

import pytest
from clickhouse_engine import needs_chdb
from figures_stores import STORES
from observed import APP, DAY_MS, HOUR_MS, MINUTE_MS, NOON_MS, seen

from edge.domain.errors import Invalid
from edge.domain.statistics.histogram import bucket_of
from edge.domain.statistics.observation import Cohort, Group, Step
from edge.telemetry.questions.port import (
    HOUR_DAYS,
    ROWS_LIMIT,
    By,
    Estimate,
    FailureCount,
    Firsts,
    Heard,
    Reached,
    Retained,
    Rollup,
    Spread,
    Sum,
    TimeSpan,
    TooManyFigures,
    Turn,
    Where,
)

HOUR = NOON_MS  # of the hour that begins at noon
DAY = NOON_MS // DAY_MS * DAY_MS
MINUTE = NOON_MS // MINUTE_MS
NOW = TimeSpan(NOON_MS, NOON_MS + HOUR_MS)
ONE_MINUTE = TimeSpan(HOUR, HOUR + 1, Rollup.MINUTE)
TODAY = TimeSpan(DAY, DAY + DAY_MS, Rollup.DAY)
ANY = Where()
NO_STEP = Step(0)

ANDROID = Cohort(Group("android", "production", ("beta", "vip"), "r1/new", "e1/a"), "14", "DE", "8.51.14")
IOS = Cohort(Group("ios", "production", (), "r1/control", "e1/b"), "17", "FR", "7.40.0")
DEV = Cohort(Group("ios", "dev", ("beta",), kind="emulator"), "17", "FR", "7.40.0")


MARKS = {"sqlite": (), "clickhouse": (needs_chdb, pytest.mark.long), "clickhouse_http": (needs_chdb, pytest.mark.long)}


@pytest.fixture(params=[pytest.param(each, marks=MARKS[each]) for each in STORES])
def add(request, tmp_path):
    with STORES[request.param](tmp_path) as found:
        yield found


def many(times, subject, cohort=ANDROID, **fields):
    return [seen(0, subject, cohort=cohort, **fields)] * times


COUNTED = [
    *many(2, "check:offer", n=3, bundle="2.0.0"),
    *many(1, "check:offer", IOS, n=4, bundle="2.0.0"),
    *many(1, "check:offer", DEV, n=50, bundle="2.0.0"),
    *many(3, "report:set"),
    *many(1, "report:set", at_ms=NOON_MS + 59 * MINUTE_MS),
    *many(2, "report:set", at_ms=NOON_MS + HOUR_MS),
    *many(1, "report:set", at_ms=NOON_MS - DAY_MS),
    *many(1, "report:set_fail", IOS),
    *many(1, "outcome:price", value=2.5),
    *many(1, "outcome:price", IOS, value=-0.5),
    *many(1, "report:set", app="com.other", n=1000),
    *many(1, "step", n=0),
]


@pytest.mark.parametrize(
    ("subjects", "span", "where", "by", "each", "expected"),
    [
        (["check:offer"], NOW, ANY, (), False, [((), 0, 10, 0)]),
        (["check:offer"], NOW, Where(kind=""), (), False, [((), 0, 60, 0)]),
        (["check:offer"], NOW, Where(kind="emulator"), (), False, [((), 0, 50, 0)]),
        (["check:offer"], NOW, Where(platform="ios"), (), False, [((), 0, 4, 0)]),
        (["check:offer"], NOW, Where(channel="dev", kind=""), (), False, [((), 0, 50, 0)]),
        (["check:offer"], NOW, Where(side="r1/new"), (), False, [((), 0, 6, 0)]),
        (["check:offer"], NOW, Where(arm="e1/b"), (), False, [((), 0, 4, 0)]),
        (["check:offer"], NOW, Where(bundle="2.0.0"), (), False, [((), 0, 10, 0)]),
        (["check:offer"], NOW, Where(bundle="1.0.0"), (), False, []),
        (["check:offer"], NOW, Where(segment="vip"), (), False, [((), 0, 6, 0)]),
        (["check:offer"], NOW, Where(segment="nobody"), (), False, []),
        (["check:offer"], NOW, Where(kind=""), (By.KIND,), False, [(("device",), 0, 10, 0), (("emulator",), 0, 50, 0)]),
        # A device in two segments is in both rows, one in none in the row "".
        (
            ["check:offer"], NOW, Where(kind=""), (By.SEGMENT,), False,
            [(("",), 0, 4, 0), (("beta",), 0, 56, 0), (("vip",), 0, 6, 0)],
        ),
        (
            ["check:offer"], NOW, Where(segment="vip"), (By.SEGMENT, By.ARM), False,
            [(("beta", "e1/a"), 0, 6, 0), (("vip", "e1/a"), 0, 6, 0)],
        ),
        (
            ["report:*"], NOW, ANY, (By.SUBJECT, By.PLATFORM), False,
            [(("report:set", "android"), 0, 4, 0), (("report:set_fail", "ios"), 0, 1, 0)],
        ),
        (["report:set", "check:*"], NOW, ANY, (By.BUNDLE,), False, [(("1.0.0",), 0, 4, 0), (("2.0.0",), 0, 10, 0)]),
        (["report:*", "report:set"], NOW, ANY, (), False, [((), 0, 5, 0)]),
        (["outcome:price"], NOW, ANY, (By.SIDE,), False, [(("r1/control",), 0, 1, -0.5), (("r1/new",), 0, 1, 2.5)]),
        (["step"], NOW, ANY, (), False, []),
        (["report"], NOW, ANY, (), False, []),
        (["report:se_"], NOW, ANY, (), False, []),
        (["report:set' OR '1'='1"], NOW, ANY, (), False, []),
        (["%*", "r%*", "{x:String}*"], NOW, ANY, (), False, []),
        ([], NOW, ANY, (), False, []),
        # Spans are whole periods.
        (["report:set"], TimeSpan(HOUR + 1, HOUR + HOUR_MS), ANY, (), False, [((), 0, 4, 0)]),
        (["report:set"], TimeSpan(HOUR, HOUR + HOUR_MS + 1), ANY, (), False, [((), 0, 6, 0)]),
        (["report:set"], TimeSpan(HOUR, HOUR), ANY, (), False, []),
        (
            ["report:set"], TimeSpan(HOUR, HOUR + 2 * HOUR_MS), ANY, (), True,
            [((), HOUR, 4, 0), ((), HOUR + HOUR_MS, 2, 0)],
        ),
        (
            ["report:set"], TimeSpan(DAY - DAY_MS, DAY + DAY_MS, Rollup.DAY), ANY, (By.PLATFORM,), True,
            [(("android",), DAY - DAY_MS, 1, 0), (("android",), DAY, 6, 0)],
        ),
        # By the minute there are the channel and the kind, and no other labels.
        (
            ["report:set"], TimeSpan(HOUR, HOUR + HOUR_MS, Rollup.MINUTE), ANY, (By.CHANNEL, By.PLATFORM), True,
            [(("production", ""), HOUR, 3, 0), (("production", ""), HOUR + 59 * MINUTE_MS, 1, 0)],
        ),
        (["check:offer"], ONE_MINUTE, ANY, (), False, [((), 0, 10, 0)]),
        (["check:offer"], ONE_MINUTE, Where(channel="dev", kind=""), (), False, [((), 0, 50, 0)]),
        (["check:offer"], ONE_MINUTE, Where(platform="ios"), (), False, []),
    ],
)  # fmt: skip
def test_sums(add, subjects, span, where, by, each, expected):
    figures = add(COUNTED)
    assert figures.sums(APP, subjects, span, where, by, each=each) == [Sum(*row) for row in expected]


def test_an_unknown_app_has_no_figures(add):
    figures = add(COUNTED)
    for app in ("com.unknown", "", "' OR 1 = 1 --", "com.example.app\\"):
        assert figures.sums(app, ["report:*"], NOW, Where(kind=""), ()) == []
        assert figures.devices(app, ["heard"], NOW, Where(kind=""), ()) == []
        assert figures.durations(app, "download", NOW, Where(kind=""), ()) == []
        assert figures.steps(app, "1.0.0", Where(kind=""), ()) == []
        assert figures.causes(app, "1.0.0", Where(kind=""), ()) == []
        assert figures.words(app, "1.0.0", Where(kind="")) == []
        assert figures.firsts(app, "1.0.0", Where(kind="")) == Firsts(None, None)
        assert figures.heard_since(app, 0, Where(kind=""), ()) == []
        assert figures.retention(app, TODAY, Where(kind=""), ()) == []


def test_nothing_counted_at_all(add):
    figures = add([])
    assert figures.sums(APP, ["report:*"], NOW, ANY, ()) == []
    assert figures.heard_since(APP, 0, ANY, ()) == []


def test_sums_of_batches_add_up(add):
    for _ in range(3):
        figures = add(many(2, "event:purchase:pro", value=1.25))
    assert figures.sums(APP, ["event:*"], NOW, ANY, ()) == [Sum((), 0, 6, 7.5)]


VISITS = [
    *[seen(n, cohort=ANDROID) for n in range(1, 6)],
    *[seen(n, cohort=ANDROID, at_ms=NOON_MS + HOUR_MS) for n in range(4, 8)],
    *[seen(n, cohort=IOS, bundle="2.0.0") for n in range(7, 9)],
    seen(1, "crashed", cohort=ANDROID),
    seen(99, "event:feature:cart", cohort=ANDROID),
    seen(0, "event:feature:cart", cohort=ANDROID),
    seen(1, "report:set", cohort=ANDROID),
]


@pytest.mark.parametrize(
    ("subjects", "span", "where", "by", "each", "expected"),
    [
        (["heard"], NOW, ANY, (), False, [((), 0, 7)]),
        (["heard"], TimeSpan(HOUR, HOUR + 2 * HOUR_MS), ANY, (), False, [((), 0, 8)]),
        (["heard"], TimeSpan(HOUR, HOUR + 2 * HOUR_MS), ANY, (), True, [((), HOUR, 7), ((), HOUR + HOUR_MS, 4)]),
        (["heard"], TODAY, ANY, (By.PLATFORM,), False, [(("android",), 0, 7), (("ios",), 0, 2)]),
        (["heard"], TODAY, ANY, (By.SEGMENT,), False, [(("",), 0, 2), (("beta",), 0, 7), (("vip",), 0, 7)]),
        (["heard"], TODAY, Where(bundle="2.0.0"), (By.BUNDLE,), False, [(("2.0.0",), 0, 2)]),
        (["heard", "crashed"], NOW, ANY, (By.SUBJECT,), False, [(("crashed",), 0, 1), (("heard",), 0, 7)]),
        (["heard", "crashed"], NOW, ANY, (), False, [((), 0, 7)]),
        (["event:*"], NOW, ANY, (), False, [((), 0, 1)]),
        (["report:set"], NOW, ANY, (), False, []),
    ],
)
def test_distinct_devices(add, subjects, span, where, by, each, expected):
    figures = add(VISITS)
    assert figures.devices(APP, subjects, span, where, by, each=each) == [Estimate(*row) for row in expected]


ERROR = 0.04


@pytest.mark.long
def test_distinct_devices_of_many_are_close(add):
    """One standard deviation is 0.8 %, and the order in which rows are read moves an estimate: five of them."""
    draw = random.Random(4)
    keys = [draw.randrange(-(2**63), 2**63) for _ in range(60_000)]
    groups = [ANDROID, IOS]
    for start in range(0, 60_000, 20_000):
        figures = add([seen(key, cohort=groups[key % 2], n=0) for key in keys[start : start + 20_000]])
    figures = add([seen(key, cohort=groups[key % 2], n=0, at_ms=NOON_MS + HOUR_MS) for key in keys[:30_000]])
    both = TimeSpan(HOUR, HOUR + 2 * HOUR_MS)
    (whole,) = figures.devices(APP, ["heard"], both, ANY, ())
    assert whole.devices == pytest.approx(60_000, rel=ERROR)
    (later,) = figures.devices(APP, ["heard"], TimeSpan(HOUR + HOUR_MS, HOUR + 2 * HOUR_MS), ANY, ())
    assert later.devices == pytest.approx(30_000, rel=ERROR)
    apart = figures.devices(APP, ["heard"], TODAY, ANY, (By.PLATFORM,))
    assert [each.devices for each in apart] == [
        pytest.approx(sum(key % 2 == 0 for key in keys), rel=ERROR),
        pytest.approx(sum(key % 2 for key in keys), rel=ERROR),
    ]


SECONDS = [0.0, 1e-9, 0.0011, 0.5, 0.98, 1.0, 1.02, 1.0408163265306123, 60.0, 86_400.0, 1e12]


def test_durations_fall_into_the_same_buckets(add):
    given = [seen(0, "download", cohort=ANDROID, value=value) for value in SECONDS]
    given += [
        seen(0, "session_end", cohort=ANDROID, value=7.0),
        seen(0, "session_end", cohort=ANDROID, value=70.0),
        seen(0, "session_end", cohort=ANDROID, value=-7.0, n=-1),  # it went on
        seen(0, "session_end", cohort=IOS, value=0.25),
        seen(0, "event:duration:load", cohort=IOS, value=3.0, n=2),
        seen(0, "event:purchase:pro", cohort=IOS, value=3.0),
        seen(0, "download", cohort=ANDROID),
    ]
    figures = add(given)
    buckets: dict[int, int] = {}
    for value in SECONDS:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    assert figures.durations(APP, "download", NOW, ANY, ()) == [Spread((), buckets)]
    assert figures.durations(APP, "session_end", TODAY, ANY, (By.PLATFORM,)) == [
        Spread(("android",), {bucket_of(70.0): 1}),
        Spread(("ios",), {bucket_of(0.25): 1}),
    ]
    assert figures.durations(APP, "event:duration:load", NOW, ANY, ()) == [Spread((), {bucket_of(3.0): 2})]
    assert figures.durations(APP, "event:purchase:pro", NOW, ANY, ()) == []
    assert figures.sums(APP, ["session_end"], NOW, ANY, ()) == [Sum((), 0, 2, 70.25)]


def step(device, subject="step", steps=NO_STEP, minute=0, **fields):
    given = {"cohort": ANDROID, "bundle": "2.0.0", "n": 0, "at_ms": NOON_MS + minute * MINUTE_MS, **fields}
    return seen(device, subject, steps=steps, **given)


WAY = [
    step(1, steps=Step.OFFERED),
    step(1, "report:download_complete", Step.DOWNLOADED, 1),
    step(1, "report:set", Step.INSTALLED, 2),
    step(1, "report:app_launch_ready", Step.HEALTHY, 3),
    step(2, steps=Step.OFFERED),
    step(2, "report:set", Step.DOWNLOADED | Step.INSTALLED, 2),
    step(2, "report:download_fail", Step.FAILED_INSTALL, 1),
    step(2, "report:update_fail", Step.FAILED_BOOT, 4),
    step(2, "report:set_fail", Step.FAILED_BOOT, 5),
    # Labels are those of the first offer, whatever they were before or are after it.
    step(3, "report:download_fail", Step.FAILED_INSTALL, 1, cohort=IOS),
    step(3, "heard", minute=5, bundle="1.0.0"),
    step(3, steps=Step.OFFERED, minute=6),
    step(3, "report:set", Step.INSTALLED, 7, cohort=IOS),
    step(4, "report:set", Step.INSTALLED, 8, cohort=IOS),  # never offered
    step(5, steps=Step.OFFERED, cohort=DEV),
    step(6, steps=Step.OFFERED, bundle="1.0.0"),
    step(7, steps=Step.OFFERED, app="com.other"),
]
_FAILED_TWICE = Step.OFFERED | Step.DOWNLOADED | Step.INSTALLED | Step.FAILED_INSTALL | Step.FAILED_BOOT
_GOOD = Step.OFFERED | Step.DOWNLOADED | Step.INSTALLED | Step.HEALTHY
_LATE = Step.OFFERED | Step.INSTALLED | Step.FAILED_INSTALL


@pytest.mark.parametrize(
    ("where", "by", "expected"),
    [
        (ANY, (), [((), Step.INSTALLED, 1), ((), _LATE, 1), ((), _FAILED_TWICE, 1), ((), _GOOD, 1)]),
        (Where(kind="emulator"), (), [((), Step.OFFERED, 1)]),
        (
            ANY, (By.OS, By.COUNTRY),
            [
                (("14", "DE"), _LATE, 1), (("14", "DE"), _FAILED_TWICE, 1), (("14", "DE"), _GOOD, 1),
                (("17", "FR"), Step.INSTALLED, 1),
            ],
        ),
        (Where(segment="beta", kind=""), (By.PLUGIN, By.BUNDLE, By.CHANNEL), [
            (("7.40.0", "2.0.0", "dev"), Step.OFFERED, 1),
            (("8.51.14", "2.0.0", "production"), _LATE, 1),
            (("8.51.14", "2.0.0", "production"), _FAILED_TWICE, 1),
            (("8.51.14", "2.0.0", "production"), _GOOD, 1),
        ]),
        (Where(platform="ios"), (By.SEGMENT,), [(("",), Step.INSTALLED, 1)]),
        (Where(arm="e1/a", side="r1/new", channel="production"), (By.SEGMENT,), [
            (("beta",), _LATE, 1), (("beta",), _FAILED_TWICE, 1), (("beta",), _GOOD, 1),
            (("vip",), _LATE, 1), (("vip",), _FAILED_TWICE, 1), (("vip",), _GOOD, 1),
        ]),
    ],
)  # fmt: skip
def test_steps(add, where, by, expected):
    figures = add(WAY)
    assert figures.steps(APP, "2.0.0", where, by) == sorted(Reached(*row) for row in expected)


def test_steps_that_come_in_several_batches_are_those_of_one_device(add):
    for each in WAY:
        figures = add([each])
    assert figures.steps(APP, "2.0.0", ANY, ()) == [
        Reached((), Step.INSTALLED, 1),
        Reached((), _LATE, 1),
        Reached((), _FAILED_TWICE, 1),
        Reached((), _GOOD, 1),
    ]
    assert figures.steps(APP, "1.0.0", ANY, ()) == [Reached((), Step.OFFERED, 1)]


def test_causes_are_of_the_first_failed_start_and_else_of_the_first_failed_install(add):
    figures = add(
        [
            *WAY,
            step(8, "report:checksum_fail", Step.FAILED_INSTALL),
            step(9, "report:checksum_fail", Step.FAILED_INSTALL),
        ]
    )
    assert figures.causes(APP, "2.0.0", ANY, ()) == [
        FailureCount((), "checksum_fail", 2),
        FailureCount((), "download_fail", 1),
        FailureCount((), "update_fail", 1),
    ]
    assert figures.causes(APP, "2.0.0", ANY, (By.OS,))[0] == FailureCount(("14",), "checksum_fail", 2)
    assert figures.causes(APP, "2.0.0", Where(platform="ios"), ()) == []


def says(device, bundle, minute, **fields):
    return step(device, "heard", Step.WORD, minute, bundle=bundle, **fields)


def test_words_begin_and_end(add):
    figures = add(
        [
            *[says(n, "1.0.0", 0) for n in (1, 2, 3)],
            says(1, "2.0.0", 5),
            says(2, "2.0.0", 5),
            says(2, "2.0.0", 9),
            says(2, "1.0.0", 12),  # and went back
            says(3, "1.0.0", 30),
            says(4, "2.0.0", 7, cohort=IOS),
        ]
    )
    assert figures.words(APP, "2.0.0", ANY) == [Turn(MINUTE + 5, 2, 0), Turn(MINUTE + 7, 1, 0), Turn(MINUTE + 9, 0, 1)]
    assert figures.words(APP, "1.0.0", ANY) == [Turn(MINUTE, 3, 1)]
    assert figures.words(APP, "2.0.0", Where(platform="ios")) == [Turn(MINUTE + 7, 1, 0)]
    assert figures.words(APP, "3.0.0", ANY) == []


def test_words_are_by_the_latest_labels(add):
    figures = add([says(1, "1.0.0", 0), says(2, "1.0.0", 0), says(1, "1.0.0", 4, cohort=IOS)])
    assert figures.words(APP, "1.0.0", Where(platform="ios")) == [Turn(MINUTE, 1, 0)]
    assert figures.words(APP, "1.0.0", Where(segment="vip")) == [Turn(MINUTE, 1, 0)]
    figures = add([says(1, "2.0.0", 9, cohort=ANDROID)])
    assert figures.words(APP, "1.0.0", Where(platform="ios")) == []
    assert figures.words(APP, "1.0.0", Where(segment="vip")) == [Turn(MINUTE, 2, 0), Turn(MINUTE + 4, 0, 1)]


def test_a_devices_latest_word_of_one_record_is_the_last_in_it(add):
    """What a record says has one time of receipt."""
    figures = add([says(1, "1.0.0", 3), says(1, "2.0.0", 3)])
    assert figures.words(APP, "1.0.0", ANY) == [Turn(MINUTE + 3, 1, 1)]
    assert figures.words(APP, "2.0.0", ANY) == [Turn(MINUTE + 3, 1, 0)]


def test_firsts(add):
    figures = add(WAY)
    assert figures.firsts(APP, "2.0.0", ANY) == Firsts(MINUTE, MINUTE + 1)
    assert figures.firsts(APP, "2.0.0", Where(kind="emulator")) == Firsts(MINUTE, None)
    assert figures.firsts(APP, "2.0.0", Where(platform="ios")) == Firsts(None, None)
    assert figures.firsts(APP, "9.9.9", ANY) == Firsts(None, None)


def test_heard_since_counts_each_device_once_by_its_latest_labels(add):
    figures = add(
        [
            says(1, "1.0.0", 0),
            says(2, "1.0.0", 0),
            says(3, "1.0.0", 0, cohort=DEV),
            says(1, "2.0.0", 10, cohort=IOS),
            says(4, "1.0.0", 20),
        ]
    )
    assert figures.heard_since(APP, NOON_MS, ANY, ()) == [Heard((), 3)]
    assert figures.heard_since(APP, NOON_MS, Where(kind=""), (By.PLATFORM,)) == [
        Heard(("android",), 2),
        Heard(("ios",), 2),
    ]
    assert figures.heard_since(APP, NOON_MS + 10 * MINUTE_MS, ANY, (By.BUNDLE, By.COUNTRY)) == [
        Heard(("1.0.0", "DE"), 1),
        Heard(("2.0.0", "FR"), 1),
    ]
    assert figures.heard_since(APP, NOON_MS + 10 * MINUTE_MS + 1, ANY, ()) == [Heard((), 1)]
    assert figures.heard_since(APP, NOON_MS, Where(bundle="1.0.0"), (By.OS,)) == [Heard(("14",), 2)]
    assert figures.heard_since(APP, NOON_MS, ANY, (By.SEGMENT,)) == [
        Heard(("",), 1),
        Heard(("beta",), 2),
        Heard(("vip",), 2),
    ]


def test_retention(add):
    start = DAY - 30 * DAY_MS
    first = start // DAY_MS

    def visit(device, day, cohort=ANDROID):
        return seen(device, cohort=cohort, n=0, at_ms=start + day * DAY_MS)

    figures = add([visit(1, 0), visit(2, 0), visit(3, 0, IOS), visit(9, 0, DEV)])
    figures = add([visit(1, 1), visit(3, 1), visit(4, 1)])
    figures = add([visit(1, 1), visit(1, 2), visit(2, 7, IOS), visit(4, 8), visit(1, 7)])
    figures = add([visit(1, 30), visit(1, 30)])
    span = TimeSpan(start, start + DAY_MS)
    assert figures.retention(APP, span, ANY, ()) == [
        Retained((), first, 0, 3),
        Retained((), first, 1, 2),
        Retained((), first, 7, 2),
        Retained((), first, 30, 1),
    ]
    # Labels are those of the first day.
    assert figures.retention(APP, TimeSpan(start, start + 2 * DAY_MS), ANY, (By.ARM,)) == [
        Retained(("e1/a",), first, 0, 2),
        Retained(("e1/a",), first, 1, 1),
        Retained(("e1/a",), first, 7, 2),
        Retained(("e1/a",), first, 30, 1),
        Retained(("e1/a",), first + 1, 0, 1),
        Retained(("e1/a",), first + 1, 7, 1),
        Retained(("e1/b",), first, 0, 1),
        Retained(("e1/b",), first, 1, 1),
    ]
    assert figures.retention(APP, span, Where(segment="vip"), (By.SEGMENT,))[0] == Retained(("beta",), first, 0, 2)
    assert figures.retention(APP, TimeSpan(start + 3 * DAY_MS, start + 9 * DAY_MS), ANY, ()) == []


def test_what_is_not_kept_is_refused_by_name(add):
    figures = add(COUNTED)
    minutes = TimeSpan(HOUR, HOUR + 1, Rollup.MINUTE)
    for ask in (
        lambda: figures.devices(APP, ["heard"], minutes, ANY, ()),
        lambda: figures.durations(APP, "download", minutes, ANY, ()),
        lambda: figures.sums(APP, ["report:set"], NOW, ANY, (By.OS,)),
        lambda: figures.retention(APP, TODAY, ANY, (By.PLUGIN,)),
        lambda: figures.steps(APP, "1.0.0", ANY, (By.SUBJECT,)),
        lambda: figures.sums(APP, ["report:set"] * 33, NOW, ANY, ()),
    ):
        with pytest.raises(Invalid):
            ask()


def test_an_answer_of_too_many_rows_is_refused(add):
    days = ROWS_LIMIT // (24 * HOUR_DAYS)
    rows = [
        seen(0, "report:set", bundle=f"{bundle}", at_ms=NOON_MS - hour * HOUR_MS, cohort=ANDROID)
        for bundle in range(days + 2)
        for hour in range(24 * (HOUR_DAYS - 2))
    ]
    figures = add(rows)
    span = TimeSpan(NOON_MS - HOUR_DAYS * DAY_MS, NOON_MS + HOUR_MS)
    with pytest.raises(TooManyFigures):
        figures.sums(APP, ["report:set"], span, ANY, (By.BUNDLE,), each=True)
    assert len(figures.sums(APP, ["report:set"], span, Where(bundle="1"), (By.BUNDLE,), each=True)) == 24 * (
        HOUR_DAYS - 2
    )


def test_words_of_any_kind_are_words(add):
    """Names come from outside; none is part of a question."""
    odd = ["it's", 'a"b', "back\\slash", "new\nline", "tab\t", "100%_*", "{app:String}", "üñí☃", "", "--", "\x00nul"]
    given = [
        seen(0, f"event:feature:{word}", bundle=word, cohort=Cohort(Group("ios", word, (word,), word, word)))
        for word in odd
    ]
    figures = add(given)
    for word in odd[:8]:
        where = Where(channel=word, segment=word, bundle=word, side=word, arm=word)
        by = (By.CHANNEL, By.SEGMENT, By.SIDE, By.ARM, By.BUNDLE, By.SUBJECT)
        found = figures.sums(APP, [f"event:feature:{word}"], NOW, where, by)
        if not word.endswith("*"):
            assert found == [Sum((word, word, word, word, word, f"event:feature:{word}"), 0, 1, 0)]
    assert sum(each.n for each in figures.sums(APP, ["event:*"], NOW, ANY, (By.SUBJECT,))) == len(odd)

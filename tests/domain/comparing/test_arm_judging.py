"""What a comparison says: shown, not shown, open, too early, unknown, doubted."""

import msgspec
import pytest

from edge.domain.comparing.judging import MeasuredAt, TrialTerms, read_measure
from edge.domain.comparing.measures import ArmMeasure, parse_measure
from edge.domain.comparing.phrases import summary
from edge.domain.comparing.projecting import enough_devices
from edge.domain.comparing.reading import ShownState
from edge.domain.comparing.sequences import mean_ratio
from edge.domain.comparing.splitting import check_split

DAY = 86_400_000
START = 1_795_000_000_000


def counts(name, devices, having, total=None, squares=None):
    total = having if total is None else total
    squares = total if squares is None else squares
    deviations = squares - total * total / devices if devices else 0.0
    return ArmMeasure(arm=name, devices=devices, having=having, total=total, deviations=deviations)


def halved(arm):
    return ArmMeasure(
        arm=arm.arm,
        devices=arm.devices // 2,
        having=arm.having // 2,
        total=arm.total / 2,
        deviations=arm.deviations / 2,
    )


def compared(measure, control, new, *, days=10, half=None, **terms):
    """The counts grew evenly, or had been `half` in the middle."""
    given = {"weights": (50_000, 50_000), "alpha": 0.01, "doubted": False, "ended": False, "entered": 20_000} | terms
    middle = half or tuple(map(halved, (control, new)))
    points = [
        MeasuredAt(START, (counts("control", 0, 0), counts("new", 0, 0))),
        MeasuredAt(START + days * DAY // 2, middle),
        MeasuredAt(START + days * DAY, (control, new)),
    ]
    return read_measure(parse_measure(measure), TrialTerms(**given), points)


def test_fewer_is_shown_with_its_interval():
    read = compared("failed", counts("control", 10_000, 400), counts("new", 10_000, 250))
    (each,) = read.comparisons
    assert (each.state, each.says) == (ShownState.FEWER, "Fewer in new")
    assert each.sentence == "new has fewer devices on which it fails to start: 0.45 to 0.85 times as many as control."
    assert each.ratio == pytest.approx(0.625)
    assert [point.at_ms for point in each.series] == [START + 5 * DAY, START + 10 * DAY]
    assert [figure.value for figure in read.figures] == [0.04, 0.025]


def test_no_difference_says_what_it_rules_out():
    (each,) = compared("failed", counts("control", 30_000, 600), counts("new", 30_000, 600)).comparisons
    assert (each.state, each.says) == (ShownState.NO_DIFFERENCE, "No difference shown")
    assert each.rules_out == pytest.approx(each.high - 1)
    assert each.more == f"rules out more than +{100 * (each.high - 1):.0f} %"
    assert each.could_be_ms is None


def test_where_more_is_better_a_loss_is_ruled_out():
    (each,) = compared("installed", counts("control", 1_000, 900), counts("new", 1_000, 900)).comparisons
    assert each.rules_out == pytest.approx(each.low - 1)
    assert each.more.startswith("rules out more than -")


def test_what_is_not_shown_yet_says_when_it_could_be():
    (each,) = compared("event:paid", counts("control", 30_000, 4_500), counts("new", 30_000, 4_700)).comparisons
    assert (each.state, each.says) == (ShownState.OPEN, "Not shown yet")
    assert START + 10 * DAY < each.could_be_ms < START + 100 * DAY
    assert "if devices keep coming and the difference is as large as it looks (1.04 times)" in each.sentence


def test_a_projection_meets_its_own_promise():
    """With as many more events as it waited for, at the same rate, it is shown."""
    control, new = counts("control", 3_000, 450), counts("new", 3_000, 500)
    (each,) = compared("event:paid", control, new).comparisons
    times = 1.01 * (each.could_be_ms - START) / (10 * DAY)
    grown = [counts(one.arm, int(one.devices * times), int(one.having * times) + 1) for one in (control, new)]
    (later,) = compared("event:paid", *grown).comparisons
    assert later.state is ShownState.MORE


def test_where_nothing_comes_any_more_nothing_will_be_shown():
    now = counts("control", 3_000, 450), counts("new", 3_000, 500)
    (each,) = compared("event:paid", *now, half=now).comparisons
    assert (each.state, each.could_be_ms) == (ShownState.NO_DIFFERENCE, None)
    (ended,) = compared("event:paid", *now, ended=True).comparisons
    assert ended.state is ShownState.NO_DIFFERENCE
    assert "at this rate" not in ended.sentence


@pytest.mark.parametrize(
    ("measure", "control", "new", "missing"),
    [
        ("failed", counts("control", 49, 40), counts("new", 200, 90), "49 of 50 devices an arm"),
        ("failed", counts("control", 300, 9), counts("new", 300, 12), "21 of 50 events"),
        (
            "sessions",
            counts("control", 99, 99, 200, 900),
            counts("new", 300, 300, 600, 2_000),
            "99 of 100 devices an arm",
        ),
        (
            "errors",
            counts("control", 200, 24, 80, 90),
            counts("new", 300, 60, 90, 100),
            "24 of 25 devices with any, an arm",
        ),
    ],
)
def test_too_few_are_not_compared(measure, control, new, missing):
    (each,) = compared(measure, control, new).comparisons
    assert (each.state, each.more, each.low, each.series) == (ShownState.EARLY, missing, None, ())
    assert each.could_be_ms is not None


def test_a_mean_is_compared_by_the_difference_and_shown_as_a_ratio():
    control, new = counts("control", 4_000, 3_900, 8_000, 28_000), counts("new", 4_000, 3_900, 9_200, 34_000)
    (each,) = compared("sessions", control, new).comparisons
    assert each.state is ShownState.MORE
    assert each.difference_low > 0
    assert 1 < each.low < each.ratio < each.high
    assert each.sentence.startswith("new has more sessions a device: ")


@pytest.mark.parametrize("spread", [0.0, 1e-4])
def test_equal_numbers_of_all_devices_are_no_certainty(spread):
    """A variance of 0, or of the rounding, has no interval."""
    arms = [counts(name, 400, 400, 400 * 1e12, 400 * 1e24) for name in ("control", "new")]
    arms = [msgspec.structs.replace(arm, deviations=spread) for arm in arms]
    (each,) = compared("sessions", *arms, half=arms).comparisons
    assert (each.state, each.low, each.difference_low, each.series) == (ShownState.EARLY, None, None, ())
    assert each.more == "all devices of control have the same number"


def test_the_largest_means_are_projected_too():
    totals = {"a": 1e160, "b": 2e160}
    arms = [ArmMeasure(arm=n, devices=100, having=100, total=t, deviations=1e300) for n, t in totals.items()]
    assert enough_devices(arms[1], arms[0], 0.01) == pytest.approx(1)
    assert mean_ratio(arms[1], arms[0], 0.01) is not None


def test_what_no_device_can_tell_is_not_known_and_not_zero():
    nothing = counts("control", 0, 0), counts("new", 0, 0)
    (each,) = compared("crashed", *nothing, half=nothing).comparisons
    assert (each.state, each.says) == (ShownState.UNKNOWN, "Not known")
    assert "iOS sends no crashes" in each.sentence


def test_a_doubted_split_shows_no_comparison():
    read = compared("failed", counts("control", 10_000, 400), counts("new", 8_000, 100), doubted=True)
    (each,) = read.comparisons
    assert (each.state, each.low, each.series) == (ShownState.DOUBTED, None, ())
    split = check_split((10_000, 8_000), (50, 50))
    assert summary((read,), {"failed": "x"}, split, ended=False) == split.sentence


def test_each_arm_is_compared_with_the_first():
    arms = [counts(name, 3_000, 300) for name in ("a", "b", "c")]
    points = [MeasuredAt(START, arms), MeasuredAt(START + DAY, arms)]
    terms = TrialTerms((20_000, 40_000, 40_000), 0.01, doubted=False, ended=False, entered=9_000)
    read = read_measure(parse_measure("failed"), terms, points)
    assert [(each.arm, each.against) for each in read.comparisons] == [("b", "a"), ("c", "a")]
    assert {each.state for each in read.comparisons} == {ShownState.FEWER}


def test_the_summary_says_what_is_shown_first_and_what_is_open_last():
    shown = compared("failed", counts("control", 10_000, 400), counts("new", 10_000, 250))
    equal = compared("erred", counts("control", 10_000, 900), counts("new", 10_000, 900))
    open_yet = compared("event:paid", counts("control", 30_000, 4_500), counts("new", 30_000, 4_700))
    early = compared("event:bill", counts("control", 30_000, 9), counts("new", 30_000, 12))
    read = (open_yet, early, equal, shown)
    topics = {each.id: parse_measure(each.id).topic for each in read}
    said = summary(read, topics, check_split((1, 1), (1, 1)), ended=False)
    first = "New has fewer devices on which it fails to start: 0.45 to 0.85 times as many as control."
    then = "No difference is shown in having unhandled errors. Whether paid differs is not shown yet"
    assert said.startswith(f"{first} {then}")
    assert said.endswith("Too early to compare bill.")


def test_no_sentence_of_it_is_about_significance():
    """What it says holds at every look; that word belongs to tests of a fixed size."""
    waited = counts("control", 900, 900, 900, 9_000), counts("new", 900, 900, 90, 90)
    every = [
        *compared("failed", counts("control", 10_000, 400), counts("new", 10_000, 250)).comparisons,
        *compared("install_time:24h", *waited).comparisons,
    ]
    assert not any("signific" in each.sentence for each in every)
    assert every[1].sentence.startswith("new has a shorter time until a device has its bundle: ")

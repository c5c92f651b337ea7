"""Hold experiments to their bars, in a simulated world with fixed seeds: some minutes of one core.

Intervals are looked at a hundred times, and may be wrong at any look in at most 5 % of experiments; a usual interval of
95 % is beside them, for comparison. Experiments in which nothing differs may show something in at most 5 %, whatever
they measure; a split that is not as meant is found, and one that is as meant is doubted in at most 0.1 %.

    python -m tests.drills.experiment_bars [--runs 1000]
"""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from math import sqrt

from edge.domain.comparing.event_share import rate_ratio
from edge.domain.comparing.judging import ALPHA, MEAN_DEVICES, MEAN_EVENTS, MeasuredAt, TrialTerms, read_measure
from edge.domain.comparing.measures import ArmMeasure, parse_measures
from edge.domain.comparing.reading import ShownState
from edge.domain.comparing.sequences import half_width, mean_difference
from edge.domain.comparing.splitting import check_split

LOOKS = 100
MEASURES = ("failed", "erred", "errors", "sessions", "installed")

# Rate; ratio at 5,000 and 20,000 devices an arm; half widths in points at 1,000, 5,000 and 20,000.
PUBLISHED = (
    (0.005, (0.41, 2.42), (0.63, 1.60), (1.04, 0.43, 0.22)),
    (0.02, (0.63, 1.60), (0.78, 1.28), (2.07, 0.85, 0.44)),
    (0.05, (0.74, 1.36), (0.85, 1.18), (3.24, 1.32, 0.68)),
    (0.20, (0.85, 1.18), (0.92, 1.09), (5.9, 2.4, 1.3)),
)


class Bar:
    """One figure against its limit."""

    failed = 0

    def __init__(self, what: str, found: float, most: float, least: float = 0.0) -> None:
        kept = least <= found <= most
        Bar.failed += not kept
        limit = f"at most {most:.2%}" if not least else f"at least {least:.2%}"
        print(f"{'ok  ' if kept else 'MISS'} {what}: {found:.2%} ({limit})", flush=True)


class Arm:
    """The numbers of one arm's devices, added up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.devices = self.having = 0
        self.total = self.squares = 0.0

    def add(self, number: float) -> None:
        self.devices += 1
        self.having += number > 0
        self.total += number
        self.squares += number * number

    def now(self) -> ArmMeasure:
        return ArmMeasure(
            arm=self.name,
            devices=self.devices,
            having=self.having,
            total=self.total,
            deviations=self.squares - self.total * self.total / max(1, self.devices),
        )


def looked_at(draw: random.Random, devices: int, rates: Sequence[float], share: float = 0.5) -> Iterator[Sequence[Arm]]:
    """One experiment of shares, at each of its looks; `rates` by arm, the second arm has `share` of the devices."""
    arms = (Arm("a"), Arm("b"))
    for _ in range(LOOKS):
        for _ in range(devices // LOOKS):
            place = draw.random() < share
            arms[place].add(float(draw.random() < rates[place]))
        yield arms


def check_published() -> None:
    """The tables of half widths and of ratios."""
    worst = 0.0
    for rate, small, large, widths in PUBLISHED:
        for devices, expected in ((5_000, small), (20_000, large)):
            events = round(devices * rate)
            found = rate_ratio(events, events, 0.5, ALPHA)
            worst = max(worst, abs(found.low - expected[0]), abs((found.high or 9.0) - expected[1]))
        for devices, width in zip((1_000, 5_000, 20_000), widths, strict=True):
            points = 100 * half_width(2 * devices, 4 * rate * (1 - rate), ALPHA)
            worst = max(worst, abs(points - width) / 10)
            print(f"     rate {rate:.1%}, {devices} an arm: half width {points:.2f} points ({width})")
    Bar("published intervals differ by", worst, 0.01)


def check_coverage(runs: int) -> None:
    """How often an interval leaves out the truth at any of 100 looks."""
    for rate in (0.02, 0.2):
        wrong = {"mean": 0, "ratio": 0, "fixed": 0}
        for seed in range(runs):
            outside = dict.fromkeys(wrong, False)
            for one, other in looked_at(random.Random(seed), 10_000, (rate, rate)):
                a, b = one.now(), other.now()
                if min(a.devices, b.devices) < MEAN_DEVICES or min(a.having, b.having) < MEAN_EVENTS:
                    continue
                low, high = mean_difference(b, a, ALPHA)
                outside["mean"] |= not low <= 0 <= high
                ratio = rate_ratio(b.having, a.having, 0.5, ALPHA)
                outside["ratio"] |= not (ratio.low <= 1 and (ratio.high is None or ratio.high >= 1))
                outside["fixed"] |= is_apart(a, b)
            for name, missed in outside.items():
                wrong[name] += missed
        Bar(f"rate {rate:.0%}, {LOOKS} looks, sequence of means wrong", wrong["mean"] / runs, ALPHA)
        Bar(f"rate {rate:.0%}, {LOOKS} looks, ratio wrong", wrong["ratio"] / runs, ALPHA)
        print(f"     a usual interval of 95 %, looked at as often: {wrong['fixed'] / runs:.1%}")


def is_apart(a: ArmMeasure, b: ArmMeasure) -> bool:
    """Whether a two-sample z test of fixed size at 5 % would say that they differ."""
    means = [each.total / each.devices for each in (a, b)]
    variances = [each.deviations / each.devices for each in (a, b)]
    return abs(means[1] - means[0]) > 1.96 * sqrt(variances[0] / a.devices + variances[1] / b.devices)


def numbers_of(draw: random.Random) -> list[float]:
    """One device's number for each of MEASURES; how often it is used decides how much it meets."""
    activity = draw.gammavariate(0.6, 5.0)
    sessions = float(int(draw.gammavariate(1.0, 1.0 + activity)) + 1)
    errors = float(sum(draw.random() < 0.02 for _ in range(int(sessions))) * draw.choice((1, 1, 8)))
    return [float(draw.random() < 0.02), float(errors > 0), errors, sessions, float(draw.random() < 0.9)]


def check_equal_arms(runs: int) -> None:
    """How often an experiment shows something, in any measure at any look, though nothing differs."""
    measures, shown, doubted = parse_measures(MEASURES), 0, 0
    for seed in range(runs):
        draw = random.Random(1_000_000 + seed)
        arms = [[Arm(name) for name in ("control", "new")] for _ in measures]
        says, doubts = False, False
        for look in range(LOOKS // 4):
            for _ in range(160):
                place = draw.random() < 0.5
                for of_measure, number in zip(arms, numbers_of(draw), strict=True):
                    of_measure[place].add(number)
            devices = [arm.devices for arm in arms[0]]
            split = check_split(devices, (1, 1))
            doubts |= split.doubted
            terms = TrialTerms((1, 1), ALPHA / len(measures), split.doubted, ended=True, entered=sum(devices))
            for measure, of_measure in zip(measures, arms, strict=True):
                read = read_measure(measure, terms, [MeasuredAt(look, [arm.now() for arm in of_measure])])
                says |= read.comparisons[0].state in (ShownState.MORE, ShownState.FEWER)
        shown, doubted = shown + says, doubted + doubts
    Bar("experiments that show something where nothing differs", shown / runs, ALPHA)
    Bar("of these, splits that are doubted", doubted / runs, 0.005)


def check_differences(runs: int) -> None:
    """How often what differs is shown, and a broken split found."""
    seen = 0
    for seed in range(runs):
        draw = random.Random(2_000_000 + seed)
        for one, other in looked_at(draw, 4_000, (0.05, 0.10)):
            ratio = rate_ratio(other.having, one.having, 0.5, ALPHA)
            if ratio.low > 1:
                seen += 1
                break
    Bar("twice the rate, 5 %, shown within 2,000 devices an arm", seen / runs, 1.0, least=0.95)
    found = kept = 0
    for seed in range(runs):
        draw = random.Random(3_000_000 + seed)
        lost = sum(draw.random() < 0.5 * 0.9 for _ in range(20_000))  # a tenth of an arm is never heard of
        found += check_split((20_000 - lost, lost), (1, 1)).doubted
        even = sum(draw.random() < 0.5 for _ in range(20_000))
        kept += not check_split((20_000 - even, even), (1, 1)).doubted
    Bar("a tenth of an arm missing of 20,000 devices, found", found / runs, 1.0, least=0.99)
    Bar("splits as meant that are doubted", 1 - kept / runs, 0.001)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000, help="experiments of each kind")
    runs = parser.parse_args().runs
    check_published()
    check_coverage(runs)
    check_equal_arms(runs)
    check_differences(runs)
    print(f"{Bar.failed} bars missed" if Bar.failed else "all bars held")
    sys.exit(1 if Bar.failed else 0)


if __name__ == "__main__":
    main()

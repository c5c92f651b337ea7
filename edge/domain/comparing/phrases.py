"""What a comparison says, in words: what is shown, what is not, and when it could be. Pure; plain text.

Every sentence says no more than its interval. The word for what tests of fixed size call their result is not used: an
interval that holds at every look says what it rules out instead.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from edge.domain.comparing.event_share import RatioInterval
from edge.domain.comparing.measures import INSTALL_TIME, Measure
from edge.domain.comparing.reading import ArmComparison, MeasureReading, ShownState, SplitReading
from edge.domain.guarding.networks import LEFT_OUT

NOT_COMPARED = "Not compared"
_DAY_MS = 86_400_000
_FAR = 3.0  # a ratio from here on is said as "times", not as percent
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Wording(NamedTuple):
    """`says` in a few words, `more` what follows them, `sentence` all of it."""

    says: str
    more: str
    sentence: str


def shown(measure: Measure, arm: str, against: str, interval: RatioInterval | None, *, is_more: bool) -> Wording:
    """The interval leaves out 1. None: the other arm's mean is not above 0, and there is no ratio."""
    is_time = measure.what == INSTALL_TIME
    word = _word(measure, is_more=is_more)
    has = f"{arm} has {'a ' if is_time else ''}{word.lower()} {measure.noun}"
    if interval is None:
        return Wording(f"{word} in {arm}", "", f"{has} than {against}.")
    times = span(interval)
    as_many = "as long as in" if is_time else "as many as"
    return Wording(f"{word} in {arm}", times, f"{has}: {times} {as_many} {against}.")


def not_shown(measure: Measure, arm: str, rules_out: float | None, *, ended: bool) -> Wording:
    """None will be at this rate."""
    more = f"rules out {ruled_out(rules_out)}" if rules_out is not None else "rules nothing out"
    tail = "" if ended else ", nor could one be within 90 days at this rate"
    return Wording("No difference shown", more, f"{measure.title}: no difference shown{tail}; {arm}'s interval {more}.")


def open_yet(measure: Measure, ratio: float | None, could_be_ms: int, now_ms: int) -> Wording:
    """It could be shown at that time, with two ifs."""
    when = f"{around(could_be_ms, now_ms)} it could be"
    looks = f" ({_times(ratio)} times)" if ratio is not None else ""
    ifs = f"if devices keep coming and the difference is as large as it looks{looks}"
    sentence = f"{measure.title}: not shown yet; {when}, {ifs}."
    return Wording("Not shown yet", when, sentence)


def early(measure: Measure, missing: str, could_be_ms: int | None, now_ms: int, *, ended: bool) -> Wording:
    """`missing`: "21 of 50 events"."""
    when = ""
    if not ended:
        if could_be_ms is not None:
            when = f"{around(could_be_ms, now_ms)} there could be enough"
        elif not measure.within_seconds:  # else those that are in it have to be so for a while
            when = "there will not be enough within 90 days at this rate"
    says = "Too few" if ended else "Too early"
    sentence = f"{measure.title}: {says.lower()} to compare, {missing}" + (f"; {when}." if when else ".")
    return Wording(says, missing, sentence)


def alike(measure: Measure, arm: str, *, ended: bool) -> Wording:
    """A variance of 0 is no certainty: it is of devices that have not lived long enough to differ."""
    says, why = "Too few" if ended else "Too early", f"all devices of {arm} have the same number"
    return Wording(says, why, f"{measure.title}: {says.lower()} to compare, {why}.")


def alone(measure: Measure, idle: Sequence[str]) -> Wording:
    """`idle` are the arms with nothing to install: who keeps what it has cannot fail to install it."""
    more = f"{' and '.join(idle)} install{'' if len(idle) > 1 else 's'} nothing, each arm's own rate stands alone"
    return Wording(NOT_COMPARED, more, f"{measure.title}: not compared, since {more}.")


def of_few(measure: Measure, *, ended: bool) -> Wording:
    """It is not there without two networks, or not if each arm had its weight's part of the devices."""
    says, why = (
        "Not shown" if ended else "Not shown yet",
        f"it rests on at most {LEFT_OUT} networks, or on devices that only checked",
    )
    return Wording(says, why, f"{measure.title}: {says[0].lower()}{says[1:]}; {why}.")


def unknown(measure: Measure) -> Wording:
    """No device can tell."""
    note = f" ({measure.note})" if measure.note else ""
    return Wording("Not known", measure.note, f"{measure.title}: no device in the experiment can tell{note}.")


def doubted(measure: Measure) -> Wording:
    """The split is not as meant."""
    return Wording(NOT_COMPARED, "the split is doubted", f"{measure.title}: not compared, since the split is doubted.")


def span(interval: RatioInterval) -> str:
    """`0.71 to 0.93 times`."""
    if interval.high is None:
        return f"at least {_times(interval.low)} times"
    return f"{_times(interval.low)} to {_times(interval.high)} times"


def ruled_out(change: float) -> str:
    """`more than +74 %`; of a loss, `more than -12 %`."""
    if change + 1 >= _FAR:
        return f"more than {_times(change + 1)} times as many"
    percent = abs(change) * 100
    digits = 0 if percent >= 1 else 1
    return f"more than {'-' if change < 0 else '+'}{percent:.{digits}f} %"


def around(at_ms: int, now_ms: int) -> str:
    """`about 6 Dec`; within a day `about 14:30 UTC`."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    if at_ms - now_ms < _DAY_MS:
        return f"about {at:%H:%M} UTC"
    year = f" {at.year}" if at.year != datetime.fromtimestamp(now_ms / 1000, UTC).year else ""
    return f"about {at.day} {_MONTHS[at.month - 1]}{year}"


def summary(measures: tuple[MeasureReading, ...], topics: dict[str, str], split: SplitReading, *, ended: bool) -> str:
    """One to four sentences: what is shown first, then what is not, then what is open."""
    if split.doubted:
        return split.sentence
    found = [(topics[measure.id], each) for measure in measures for each in measure.comparisons]
    told = [each.sentence for _, each in found if each.state in (ShownState.MORE, ShownState.FEWER)]
    parts = [f"{each[0].upper()}{each[1:]}" for each in told]
    parts += _grouped(found, ShownState.NO_DIFFERENCE, "No difference is shown in {}.")
    parts += [f"{topic[0].upper()}{topic[1:]} is not compared: {why}." for topic, why in _alone(found)]
    for topic, each in _once(found, ShownState.OPEN):
        parts.append(f"Whether {topic} differs is not shown yet; {each.more}.")
    parts += _grouped(found, ShownState.EARLY, f"{'Too few' if ended else 'Too early'} to compare {{}}.")
    return " ".join(parts) or "Nothing can be compared yet."


def _alone(found: list[tuple[str, ArmComparison]]) -> list[tuple[str, str]]:
    """Topics by why they are not compared."""
    by_why: dict[str, list[str]] = {}
    for topic, each in _once(found, ShownState.UNKNOWN):
        if each.says == NOT_COMPARED:
            by_why.setdefault(each.more, []).append(topic)
    return [(" or ".join(topics), why) for why, topics in by_why.items()]


def _grouped(found: list[tuple[str, ArmComparison]], state: ShownState, text: str) -> list[str]:
    topics = [topic for topic, _ in _once(found, state)]
    if not topics:
        return []
    return [text.format(" or ".join(filter(None, [", ".join(topics[:-1]), topics[-1]])))]


def _once(found: list[tuple[str, ArmComparison]], state: ShownState) -> list[tuple[str, ArmComparison]]:
    return list({topic: (topic, each) for topic, each in found if each.state is state}.values())


def _word(measure: Measure, *, is_more: bool) -> str:
    if measure.what == INSTALL_TIME:
        return "Longer" if is_more else "Shorter"
    return "More" if is_more else "Fewer"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"

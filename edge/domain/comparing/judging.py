"""What the counts of one measure say of an experiment's arms, each against the first one. Pure.

Alpha is split over all comparisons of the experiment before it begins, so that all of them hold together at every look.
Shares of devices are compared by the exact interval of the ratio, means by confidence sequences.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edge.domain.comparing import phrases
from edge.domain.comparing.event_share import RatioInterval, rate_ratio
from edge.domain.comparing.measures import ArmMeasure, Measure
from edge.domain.comparing.parts import ArmPair, CountsByNetwork, by_weights, without_capped, without_worst
from edge.domain.comparing.phrases import Wording
from edge.domain.comparing.projecting import enough_devices, enough_events, when_ms
from edge.domain.comparing.reading import (
    ArmComparison,
    ArmFigure,
    MeasureKind,
    MeasureReading,
    RatioPoint,
    ShownState,
)
from edge.domain.comparing.sequences import mean_difference, mean_ratio, varies

ALPHA = 0.05  # of all comparisons of an experiment together

MEAN_DEVICES, MEAN_EVENTS = 100, 25  # an arm: below, the sequence's asymptotics say nothing
# The exact interval holds at any size; below these it is so wide that it only invites guesses. Events are those of
# both arms together: that one arm has none may be what is to be shown.
SHARE_DEVICES, SHARE_EVENTS = 50, 50


class MeasuredAt(NamedTuple):
    """The counts of one measure at a time, by arm."""

    at_ms: int
    arms: Sequence[ArmMeasure]


class TrialTerms(NamedTuple):
    """What all comparisons of an experiment share. `weights` are the arms', `entered` all its devices; `doubted`: the
    split is; `strict`: it is not without devices beyond their networks' caps, so these are not compared."""

    weights: Sequence[int]
    alpha: float  # of one comparison
    doubted: bool
    ended: bool
    entered: int
    strict: bool = False


def no_networks() -> Sequence[Sequence[ArmMeasure]]:
    """`CountsByNetwork` of devices of which each has its own."""
    return ()


def read_measure(
    measure: Measure, terms: TrialTerms, points: Sequence[MeasuredAt], networks: CountsByNetwork = no_networks
) -> MeasureReading:
    """`points` in the order of time; the last is what is known now. `networks` are asked once something is shown."""
    now = points[-1]
    figures = tuple(_figure(each) for each in now.arms)
    comparisons = tuple(_compare(measure, terms, points, place, networks) for place in range(1, len(now.arms)))
    return MeasureReading(
        id=measure.id,
        title=measure.title,
        kind=measure.kind,
        unit=measure.unit,
        better=measure.better,
        note=measure.note,
        figures=figures,
        comparisons=comparisons,
    )


def _figure(each: ArmMeasure) -> ArmFigure:
    own = each.own or without_capped(each)
    value = own.total / own.devices if own.devices else None
    return ArmFigure(arm=each.arm, devices=own.devices, having=own.having, total=own.total, value=value)


def _compare(
    measure: Measure, terms: TrialTerms, points: Sequence[MeasuredAt], place: int, networks: CountsByNetwork
) -> ArmComparison:
    share = terms.weights[place] / (terms.weights[0] + terms.weights[place])
    pairs = [(point.at_ms, ArmPair(point.arms[place], point.arms[0], share)) for point in points]
    if terms.strict:
        pairs = [
            (at_ms, ArmPair(without_capped(arm), without_capped(other), share)) for at_ms, (arm, other, _) in pairs
        ]
    (now_ms, pair), (since_ms, earlier) = pairs[-1], _earlier(pairs)
    is_share, names = measure.kind is MeasureKind.SHARE, (pair.arm.arm, pair.other.arm)
    if terms.doubted:
        return _said(names, ShownState.DOUBTED, phrases.doubted(measure))
    can_tell = pair.arm.devices or pair.other.devices or measure.within_seconds or measure.installs
    if not can_tell and terms.entered >= SHARE_DEVICES:
        return _said(names, ShownState.UNKNOWN, phrases.unknown(measure))
    growth = _Growth(now_ms, since_ms, pair, earlier)
    missing = _missing(pair, is_share=is_share)
    if missing and (idle := _idle(measure, pair)):
        return _said(names, ShownState.UNKNOWN, phrases.alone(measure, idle))
    if missing:
        could_be = None if terms.ended else growth.enough(is_share=is_share)
        words = phrases.early(measure, missing, could_be, now_ms, ended=terms.ended)
        return _said(names, ShownState.EARLY, words, could_be_ms=could_be)
    if alike := "" if is_share else _alike(pair):
        return _said(names, ShownState.EARLY, phrases.alike(measure, alike, ended=terms.ended))
    series = tuple(_points(measure, pairs, terms.alpha))
    return _judge(measure, terms, growth, series, lambda: without_worst(pair, networks(), place))


def _judge(
    measure: Measure,
    terms: TrialTerms,
    growth: "_Growth",
    series: tuple[RatioPoint, ...],
    of_many: Callable[[], ArmPair],
) -> ArmComparison:
    """`of_many`: the pair without the networks that speak most for its difference."""
    pair, is_share = growth.pair, measure.kind is MeasureKind.SHARE
    names = (pair.arm.arm, pair.other.arm)
    interval, ratio = _interval(pair, terms.alpha, is_share=is_share), _ratio(pair)
    more: dict[str, float | None] = {}
    if is_share:
        low, high, middle = interval.low if interval else 0.0, interval.high if interval else None, 1.0
    else:
        low, high = mean_difference(pair.arm, pair.other, terms.alpha)
        more, middle = {"difference_low": low, "difference_high": high}, 0.0
    bounds = {"ratio": ratio, "low": interval.low if interval else None, "high": interval.high if interval else None}
    kept = {**bounds, **more, "series": series}
    if low > middle or (high is not None and high < middle):
        is_more = low > middle
        if not all(_leans(each, terms.alpha, is_share=is_share, is_more=is_more) for each in _doubtful(of_many())):
            return _said(names, ShownState.OPEN, phrases.of_few(measure, ended=terms.ended), **kept)
        words = phrases.shown(measure, *names, interval, is_more=is_more)
        return _said(names, ShownState.MORE if is_more else ShownState.FEWER, words, **kept)
    rules_out = _ruled_out(interval, measure.better)
    could_be = None if terms.ended else growth.shown(terms.alpha, is_share=is_share)
    if could_be is not None:
        words = phrases.open_yet(measure, ratio, could_be, growth.now_ms)
        return _said(names, ShownState.OPEN, words, rules_out=rules_out, could_be_ms=could_be, **kept)
    words = phrases.not_shown(measure, names[0], rules_out, ended=terms.ended)
    return _said(names, ShownState.NO_DIFFERENCE, words, rules_out=rules_out, **kept)


def _doubtful(pair: ArmPair) -> tuple[ArmPair, ArmPair]:
    """What a difference must hold in beside the pair as it is."""
    return pair, by_weights(pair)


def _leans(pair: ArmPair, alpha: float, *, is_share: bool, is_more: bool) -> bool:
    """Whether it shows the same difference."""
    if not pair.arm.devices or not pair.other.devices:
        return False
    if is_share:
        interval = rate_ratio(pair.arm.having, pair.other.having, pair.share, alpha)
        return interval.low > 1 if is_more else interval.high is not None and interval.high < 1
    low, high = mean_difference(pair.arm, pair.other, alpha)
    return low > 0 if is_more else high < 0


def _idle(measure: Measure, pair: ArmPair) -> list[str]:
    """The arms that have nothing to install on most devices, if few are left to be compared."""
    both = (pair.arm, pair.other)
    if not measure.installs or not any(each.had > each.devices and each.had >= SHARE_DEVICES for each in both):
        return []
    return [each.arm for each in reversed(both) if each.own_had > each.devices + each.had - each.own_had]


def _alike(pair: ArmPair) -> str:
    """The arm whose devices do not differ."""
    return next((each.arm for each in (pair.other, pair.arm) if not varies(each)), "")


def _said(names: tuple[str, str], state: ShownState, words: Wording, **more: object) -> ArmComparison:
    bounds: dict[str, object] = {"ratio": None, "low": None, "high": None}
    return ArmComparison(
        arm=names[0],
        against=names[1],
        state=state,
        says=words.says,
        more=words.more,
        sentence=words.sentence,
        **(bounds | more),  # type: ignore[arg-type]
    )


def _earlier(pairs: Sequence[tuple[int, ArmPair]]) -> tuple[int, ArmPair]:
    """The first point of the later half: what came since then is the rate of now."""
    middle = (pairs[0][0] + pairs[-1][0]) / 2
    return next((each for each in pairs[:-1] if each[0] >= middle), pairs[0])


def _missing(pair: ArmPair, *, is_share: bool) -> str:
    devices = min(pair.arm.devices, pair.other.devices)
    least = SHARE_DEVICES if is_share else MEAN_DEVICES
    if devices < least:
        return f"{devices} of {least} devices an arm"
    if is_share:
        events = pair.arm.having + pair.other.having
        return f"{events} of {SHARE_EVENTS} events" if events < SHARE_EVENTS else ""
    events = min(pair.arm.having, pair.other.having)
    return f"{events} of {MEAN_EVENTS} devices with any, an arm" if events < MEAN_EVENTS else ""


def _points(measure: Measure, pairs: Sequence[tuple[int, ArmPair]], alpha: float) -> Sequence[RatioPoint]:
    is_share = measure.kind is MeasureKind.SHARE
    found = []
    for at_ms, pair in pairs:
        is_early = _missing(pair, is_share=is_share) or (not is_share and _alike(pair))
        interval = None if is_early else _interval(pair, alpha, is_share=is_share)
        if interval is not None:
            found.append(RatioPoint(at_ms=at_ms, low=interval.low, high=interval.high, ratio=_ratio(pair)))
    return found


def _interval(pair: ArmPair, alpha: float, *, is_share: bool) -> RatioInterval | None:
    if is_share:
        return rate_ratio(pair.arm.having, pair.other.having, pair.share, alpha)
    return mean_ratio(pair.arm, pair.other, alpha)


def _ratio(pair: ArmPair) -> float | None:
    if not pair.arm.devices or not pair.other.devices or pair.other.total <= 0:
        return None
    return pair.arm.total / pair.arm.devices / (pair.other.total / pair.other.devices)


def _ruled_out(interval: RatioInterval | None, better: str) -> float | None:
    """What would matter most: where more is better, a loss."""
    if interval is None:
        return None
    if better == "more":
        return interval.low - 1 if interval.low > 0 else None
    return None if interval.high is None else interval.high - 1


class _Growth(NamedTuple):
    """What came lately, for what could come."""

    now_ms: int
    since_ms: int
    pair: ArmPair
    earlier: ArmPair

    def enough(self, *, is_share: bool) -> int | None:
        """When the least numbers will be there."""
        least = SHARE_DEVICES if is_share else MEAN_DEVICES
        arms = ((self.pair.arm, self.earlier.arm), (self.pair.other, self.earlier.other))
        needs = [(least - now.devices, now.devices - before.devices) for now, before in arms]
        if is_share:
            events = self.pair.arm.having + self.pair.other.having
            needs.append((SHARE_EVENTS - events, events - self.earlier.arm.having - self.earlier.other.having))
        else:
            needs += [(MEAN_EVENTS - now.having, now.having - before.having) for now, before in arms]
        return self._latest(needs)

    def shown(self, alpha: float, *, is_share: bool) -> int | None:
        """When the interval would leave out what it now holds, if the difference is as it looks."""
        arm, other = self.pair.arm, self.pair.other
        if is_share:
            times = enough_events(arm.having, other.having, self.pair.share, alpha)
            n, before = arm.having + other.having, self.earlier.arm.having + self.earlier.other.having
        else:
            times = enough_devices(arm, other, alpha)
            n, before = arm.devices + other.devices, self.earlier.arm.devices + self.earlier.other.devices
        return None if times is None else self._latest([(n * (times - 1), n - before)])

    def _latest(self, needs: Sequence[tuple[float, float]]) -> int | None:
        found = [when_ms(self.now_ms, self.since_ms, grown, needed) for needed, grown in needs]
        known = [each for each in found if each is not None]
        return max(known) if len(known) == len(found) else None

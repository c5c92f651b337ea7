"""Whom a change touches, in words: from the impact that the dry run of its operation states. Pure."""

from collections.abc import Mapping
from typing import Any

from edge.control.shapes.impact import ImpactView, MoveView, ReachView
from edge.domain.decision.outcomes import Reason
from edge.domain.model import BUILTIN
from edge.page.acts.confirmation import Caution, Touch
from edge.page.words.numbers import count, named
from edge.page.words.values import value_words

MOVES_SHOWN = 4  # the largest groups; the rest is one line
RULES_SHOWN = 3
_PASSING = frozenset({Reason.SPREAD.code, Reason.OUTSIDE_WINDOW.code})  # what time alone changes


def touches_of(answer: Mapping[str, Any] | None) -> list[Touch]:
    """The lines of a confirmation; `answer` is that of a dry run, None if it could not be had."""
    impact = answer.get("impact") if answer is not None else None
    if not isinstance(impact, ImpactView):
        return [Touch("not known", "The devices could not be counted just now. The change itself is checked as usual.")]
    return [*_features(impact), *_offerings(impact), *_devices(impact)]


def _features(impact: ImpactView) -> list[Touch]:
    """Whose values change, and from what to what."""
    found = []
    for each in impact.features[:MOVES_SHOWN]:
        if each.touched is None:
            found.append(Touch("not known", f"how many get another value of {named(each.feature)}."))
        if each.touched == 0:
            found.append(Touch("0 devices", f"known here get another value of {named(each.feature)}."))
        for move in each.moves[:MOVES_SHOWN]:
            was, becomes = value_words(move.was), value_words(move.becomes)
            gets = _verb(move.devices, "gets", "get")
            words = f"{gets} {becomes} of {named(each.feature)} instead of {was}."
            found.append(Touch(_devices_words(move.devices), words))
    return found


def _offerings(impact: ImpactView) -> list[Touch]:
    found = []
    for each in impact.channels[:MOVES_SHOWN]:
        before, after = each.before, each.after
        was = before.rollout if before else None
        if was and (after is None or after.rollout is None) and after is not None and after.bundle != was:
            found.append(Touch("1 rollout", f"ends: {named(was)} on {named(each.channel)}."))
        if before and after and before.experiment and not after.experiment:
            found.append(Touch("1 experiment", f"ends: {named(before.experiment)} on {named(each.channel)}."))
    for bundle in impact.withdrawn:
        words = f"{named(bundle)} is never offered again, on no channel. Its name stays used up: a fix needs a new one."
        found.append(Touch("everywhere", words))
    return found


def _devices(impact: ImpactView) -> list[Touch]:
    devices = impact.devices
    if devices is None:
        return [Touch("not known", "Too many ask for the devices just now, so they are not counted here.")]
    found = [Touch(_devices_words(each.devices), _sentence(each)) for each in devices.moves[:MOVES_SHOWN]]
    rest = devices.touched - sum(each.devices for each in devices.moves[:MOVES_SHOWN])
    if rest > 0:
        found.append(Touch(_devices_words(rest), f"{_verb(rest, 'is', 'are')} offered another bundle than now."))
    still = devices.devices - devices.touched
    if not devices.devices:
        found.append(Touch("0 devices", "are known here yet."))
    elif still:
        same = "offered the same bundle as now" if impact.features else "not touched now"
        found.append(Touch(_devices_words(still), f"of the known {_verb(still, 'is', 'are')} {same}."))
    for each in devices.reaches:
        found += _reach(each)
    if devices.cut:
        found.append(Touch("and more", "The oldest reports were not read, so there may be more devices than these."))
    return found


def cautions_of(answer: Mapping[str, Any] | None) -> list[Caution]:
    """That no known device can take what the change offers, unless time alone brings it."""
    impact = answer.get("impact") if answer is not None else None
    if not isinstance(impact, ImpactView) or impact.devices is None:
        return []
    nobody = [
        each
        for each in impact.devices.reaches
        if each.devices and not each.offered and not each.has_it and not _PASSING & each.kept.keys()
    ]
    return [
        Caution(
            f"No known device can take {_bundle(each.bundle or '')} on {named(each.channel)}.",
            f"0 of {_devices_words(each.devices)} here: the rules that keep it from them are listed above.",
        )
        for each in nobody
    ]


def _reach(reach: ReachView) -> list[Touch]:
    """How many can take the bundle once all are offered it, and which rules keep it from the others."""
    bundle, able = _bundle(reach.bundle or ""), reach.offered + reach.has_it
    if not reach.devices:
        return []
    known = f"of {_devices_words(reach.devices)} known here can take {bundle} on {named(reach.channel)}, or {{}} it."
    found = [Touch(count(able), known.format(_verb(able, "runs", "run")))]
    rules = sorted(reach.kept.items(), key=lambda each: (-each[1], each[0]))
    for code, n in rules[:RULES_SHOWN]:
        found.append(Touch(_devices_words(n), f"{_verb(n, 'does', 'do')} not get {bundle}: {_rule(code)}."))
    if rest := sum(n for _, n in rules[RULES_SHOWN:]):
        found.append(Touch(_devices_words(rest), f"{_verb(rest, 'does', 'do')} not get {bundle} by other rules."))
    if reach.elsewhere:
        words = f"{_verb(reach.elsewhere, 'is', 'are')} not on {named(reach.channel)}."
        found.append(Touch(_devices_words(reach.elsewhere), words))
    return found


def _rule(code: str) -> str:
    meaning = next((each.message for each in Reason if each.code == code), "")
    return f"{meaning[:1].lower()}{meaning[1:]} ({code})" if meaning else code.replace("_", " ")


def _devices_words(n: int) -> str:
    return f"{count(n)} {'device' if n == 1 else 'devices'}"


def _verb(n: int, one: str, many: str) -> str:
    return one if n == 1 else many


def _sentence(move: MoveView) -> str:
    runs, was, becomes = (_bundle(each) for each in (move.runs, move.was, move.becomes))
    one = move.devices == 1
    does, they_are, its = ("runs", "It is", "its") if one else ("run", "They are", "their")
    if move.becomes == move.runs:
        return f"{does} {runs} and {'stays' if one else 'stay'} on it. {they_are} not offered {was} any more."
    if move.was == move.runs:
        return f"{does} {runs}. At {its} next check {they_are.lower()} offered {becomes}."
    return f"{does} {runs}. {they_are} offered {becomes} instead of {was}."


def _bundle(name: str) -> str:
    return "the app's built-in code" if name == BUILTIN else named(name)

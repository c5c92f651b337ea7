"""Whom a change touches, in words: from the impact that the dry run of its operation states. Pure."""

from collections.abc import Mapping
from typing import Any

from edge.control.shapes.impact import ImpactView, MoveView
from edge.domain.model import BUILTIN
from edge.page.acts.confirmation import Touch
from edge.page.words.numbers import count, named

MOVES_SHOWN = 4  # the largest groups; the rest is one line


def touches_of(answer: Mapping[str, Any] | None) -> list[Touch]:
    """The lines of a confirmation; `answer` is that of a dry run, None if it could not be had."""
    impact = answer.get("impact") if answer is not None else None
    if not isinstance(impact, ImpactView):
        return [Touch("not known", "The devices could not be counted just now. The change itself is checked as usual.")]
    return [*_offerings(impact), *_devices(impact)]


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
    found = [Touch(count(each.devices), _sentence(each)) for each in devices.moves[:MOVES_SHOWN]]
    rest = devices.touched - sum(each.devices for each in devices.moves[:MOVES_SHOWN])
    if rest > 0:
        found.append(Touch(count(rest), "others are offered another bundle than now."))
    still = devices.devices - devices.touched
    if not devices.devices:
        found.append(Touch("0", "devices are known here yet."))
    elif still:
        found.append(Touch(count(still), "of the known devices are not touched."))
    if devices.cut:
        found.append(Touch("and more", "The oldest reports were not read, so there may be more devices than these."))
    return found


def _sentence(move: MoveView) -> str:
    runs, was, becomes = (_bundle(each) for each in (move.runs, move.was, move.becomes))
    if move.becomes == move.runs:
        return f"devices run {runs} and stay on it. They are not offered {was} any more."
    if move.was == move.runs:
        return f"devices run {runs}. At their next check they are offered {becomes}."
    return f"devices run {runs}. They are offered {becomes} instead of {was}."


def _bundle(name: str) -> str:
    return "the app's built-in code" if name == BUILTIN else named(name)

"""What changes of an app's features and messages do to devices, whole, as plain values. Pure.

Only what differs is told, so that other changes in between do not matter. What is not told stops something: a feature
that is killed is told, a message that is cancelled is not.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import msgspec

from edge.domain.app_parts.protection import ChangeKind
from edge.domain.app_parts.stored_features import Feature
from edge.domain.app_parts.stored_messages import MessageCaps, StoredMessage
from edge.domain.approving.offered import Plain, readers_of
from edge.domain.errors import Invalid
from edge.domain.messaging.planning import over_at
from edge.domain.model import AppState
from edge.domain.targeting.parser import check_expression

_NOT_GIVEN = ("revision", "about", "noted")  # of a feature: what only people and figures see
_CAPS = "caps"


def given(before: AppState, after: AppState, at: float) -> tuple[Plain, Plain]:
    """By kind, what differs before and after: features by name, messages by id, caps of messages that allow more."""
    features = _differing(before.features, lambda name: (_feature(before, name), _feature(after, name)), after.features)
    messages = list(_messages(before, after, at))
    told = ((ChangeKind.FEATURE, features), (ChangeKind.MESSAGE, messages))
    was: Plain = {kind.value: {name: old for name, old, _ in found} for kind, found in told if found}
    becomes: Plain = {kind.value: {name: new for name, _, new in found} for kind, found in told if found}
    return was, becomes


def only_kills(was: Plain, becomes: Plain) -> bool:
    """Whether all that happens is that features are turned off."""
    feature = ChangeKind.FEATURE.value
    if becomes.keys() != {feature}:
        return False
    pairs = [(was[feature][name], new) for name, new in becomes[feature].items()]
    return all(old and new and old["on"] and not new["on"] and old | {"on": False} == new for old, new in pairs)


Differing = tuple[str, Plain | None, Plain | None]


def _differing(
    one: Iterable[str], both_of: Callable[[str], tuple[Plain | None, Plain | None]], other: Iterable[str]
) -> list[Differing]:
    pairs = ((name, *both_of(name)) for name in sorted({*one, *other}))
    return [(name, was, becomes) for name, was, becomes in pairs if was != becomes]


def _feature(state: AppState, name: str) -> Plain | None:
    """What decides whom it gives what, with the segments and lists that it reads."""
    feature = state.features.get(name)
    if feature is None:
        return None
    experiment = feature.experiment
    timeless = replace(feature, experiment=replace(experiment, started=0.0) if experiment is not None else None)
    fields: Plain = msgspec.to_builtins(timeless)
    told = {key: value for key, value in fields.items() if key not in _NOT_GIVEN}
    return told | readers_of(state, *_read(feature))


def _read(feature: Feature) -> tuple[list[str], list[str]]:
    """The segments, and the lists of ids in its own expressions; one of a later release is read as it is written."""
    readers = (*feature.rules, *((feature.experiment,) if feature.experiment is not None else ()))
    segments = sorted({each.segment for each in readers if each.segment is not None})
    return segments, sorted({name for each in feature.rules if each.where for name in _sets_in(each.where)})


def _sets_in(where: str) -> frozenset[str]:
    try:
        return check_expression(where)
    except Invalid:
        return frozenset()


def _messages(before: AppState, after: AppState, at: float) -> Iterator[Differing]:
    """Those that are sent to more, or to others, than before; of what is left to send of them at all."""
    for id, message in sorted(after.messages.items()):
        if message.cancelled or over_at(message) <= at:
            continue
        was, becomes = _message(before, before.messages.get(id)), _message(after, message)
        if was != becomes:
            yield id, was, becomes
    if _allows_more(before.message_caps, after.message_caps):
        yield _CAPS, msgspec.to_builtins(before.message_caps), msgspec.to_builtins(after.message_caps)


def _message(state: AppState, message: StoredMessage | None) -> Plain | None:
    if message is None or message.cancelled:
        return None
    fields: Plain = msgspec.to_builtins(replace(message, created=0.0))
    segments = [message.segment] if message.segment is not None else []
    return fields | readers_of(state, segments, sorted(_sets_in(message.where)) if message.where else [])


def _allows_more(before: MessageCaps, after: MessageCaps) -> bool:
    was, becomes = before.device, after.device
    if after.per_day > before.per_day or (was is not None and becomes is None):
        return True
    return was is not None and becomes is not None and (becomes.times > was.times or becomes.days < was.days)

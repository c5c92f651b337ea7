"""What a change does to channels that are to be protected, of which kinds it is, and a digest of it. Pure.

It compares two states and does not know the command: so it makes no difference by which way a change comes.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from edge.domain.app_parts.protection import WHOLE_APP, ChangeKind, Freeze
from edge.domain.approving.given import given, only_kills
from edge.domain.approving.loosening import loosened_freezes, loosened_rules, loosens_guard
from edge.domain.approving.offered import Plain, ever_offered, is_withdrawn, leads, offered
from edge.domain.model import BUILTIN, AppState, ChannelName, Phase
from edge.domain.targeting.partial_overrides import split

DIGEST_DIGITS = 32  # 128 bits: nobody makes two changes with one digest

# Devices that single persons can send to channels that are not protected: enough for a team's own, and no fleet.
OVERRIDES_ALONE = 100

_RUNNING, _PAUSED = Phase.RUNNING.value, Phase.PAUSED.value


class ChannelEffect(NamedTuple):
    """What happens to a channel: of which kinds it is, and what the channel offers before and after; None where there
    is no such channel. No kinds: it only stops something, or is stricter than before. Of WHOLE_APP, what its features
    give and its messages do."""

    channel: ChannelName
    kinds: frozenset[ChangeKind]
    before: Plain | None
    after: Plain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`channels` are those of which something changes, by name; `whole` is what changes for all of them: by name, from
    what to what."""

    channels: tuple[ChannelEffect, ...]
    whole: Plain = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The same for two changes that do the same."""
        told = [[name, sorted(kind.value for kind in kinds), *rest] for name, kinds, *rest in self.channels]
        content = msgspec.json.encode([told, self.whole], order="deterministic")
        return hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS]


def effect_of(before: AppState, after: AppState, names: Collection[ChannelName], at: float) -> Effect:
    """Of a change made `at`, in seconds since the epoch, on the channels called `names`."""
    leading = dict(_leading(before, after, names))
    rules = dict(_rules(before, after, at))
    loosened = _loosened(before, after, names, at)
    found: list[ChannelEffect] = []
    for name in sorted(names):
        if name == WHOLE_APP:
            found += _of_app(before, after, at, loosens=name in loosened)
            continue
        was, becomes = offered(before, name), offered(after, name)
        kinds = _kinds(before, after, name, was, becomes)
        kinds |= {ChangeKind.SETTINGS} if leading else set()
        kinds |= {ChangeKind.RULES} if name in loosened else set()
        if was != becomes or kinds:
            found.append(ChannelEffect(name, frozenset(kinds), was, becomes))
    return Effect(channels=tuple(found), whole=leading | (rules if loosened else {}))


def _of_app(before: AppState, after: AppState, at: float, *, loosens: bool) -> Iterator[ChannelEffect]:
    was, becomes = given(before, after, at)
    kinds = {ChangeKind(kind) for kind in becomes} | ({ChangeKind.RULES} if loosens else set())
    if kinds:
        yield ChannelEffect(ChannelName(WHOLE_APP), frozenset(kinds), was, becomes)


def is_way_back(before: AppState, effect: Effect) -> bool:
    """Whether all that happens is that channels go back to what they offered to all before, or to builtin, that what is
    on its way ends, and that features are turned off."""
    return not effect.whole and all(_goes_back(before, each) for each in effect.channels)


def _goes_back(before: AppState, effect: ChannelEffect) -> bool:
    was, becomes = effect.before, effect.after
    if was is None or becomes is None or ChangeKind.RULES in effect.kinds:
        return False
    if effect.channel == WHOLE_APP:
        return only_kills(was, becomes)
    earlier = before.channels[effect.channel].earlier
    return (
        becomes["bundle"] in (was["bundle"], BUILTIN, *earlier)
        and becomes["rollout"] in (was["rollout"], None)
        and becomes["experiment"] in (was["experiment"], None)
        and all(becomes[part] == was[part] for part in ("settings", "guard", "withdrawn"))
        and set(becomes["fallback"]) <= set(was["fallback"])
        and _same_where_both(was["bundles"], becomes["bundles"])
    )


def _kinds(
    before: AppState, after: AppState, name: ChannelName, was: Plain | None, becomes: Plain | None
) -> set[ChangeKind]:
    if was == becomes:
        return set()
    if was is None:
        return {ChangeKind.PUBLISH}
    if becomes is None:
        return {ChangeKind.DELETE}
    kinds = set(_kinds_of_bundles(before, after, name, was, becomes))
    kinds |= set(_kinds_of_offer(was, becomes, kinds))
    if was["settings"] != becomes["settings"] or not _same_where_both(was["segments"], becomes["segments"]):
        kinds.add(ChangeKind.SETTINGS)
    if was["guard"] != becomes["guard"] and loosens_guard(before.channels[name].guard, after.channels[name].guard):
        kinds.add(ChangeKind.SETTINGS)
    if not kinds and any(was[part] != becomes[part] for part in ("fallback", "withdrawn", "bundles")):
        kinds.add(ChangeKind.SETTINGS)
    return kinds


def _kinds_of_bundles(
    before: AppState, after: AppState, name: ChannelName, was: Plain, becomes: Plain
) -> Iterator[ChangeKind]:
    """What becomes of the bundles that the channel offers, has offered or can fall back to."""
    if any(version not in after.bundles for version in was["bundles"]):
        yield ChangeKind.DELETE
    known = ever_offered(before.channels[name])
    turned = [version for version in known if is_withdrawn(before, version) != is_withdrawn(after, version)]
    if any(is_withdrawn(after, version) for version in turned):
        yield ChangeKind.WITHDRAW
    if any(is_withdrawn(before, version) for version in turned):
        yield ChangeKind.PUBLISH
    plain = [{v: {**told, "withdrawn": ""} for v, told in each["bundles"].items()} for each in (was, becomes)]
    if not _same_where_both(*plain):
        yield ChangeKind.PUBLISH


def _kinds_of_offer(was: Plain, becomes: Plain, known: set[ChangeKind]) -> Iterator[ChangeKind]:
    """What becomes of what it offers to all, of its rollout and of its experiment."""
    rollout, experiment = was["rollout"], was["experiment"]
    if was["bundle"] != becomes["bundle"]:
        some = [rollout["bundle"]] if rollout else []
        some += [arm["bundle"] for arm in experiment["arms"]] if experiment else []
        yield ChangeKind.PROMOTE if becomes["bundle"] in some else ChangeKind.PUBLISH
    elif rollout and not becomes["rollout"] and ChangeKind.WITHDRAW not in known:
        yield ChangeKind.PUBLISH  # it is taken from those that have it
    if becomes["rollout"] and becomes["rollout"] != rollout and not _stops(rollout, becomes["rollout"]):
        same = rollout and rollout["salt"] == becomes["rollout"]["salt"]
        yield ChangeKind.PROMOTE if same else ChangeKind.PUBLISH
    if experiment != becomes["experiment"]:
        yield ChangeKind.PUBLISH if becomes["experiment"] else ChangeKind.PROMOTE


def _stops(was: Plain | None, becomes: Plain) -> bool:
    """Whether the rollout goes on to no more devices than before: it is paused, or its guard decides when."""
    if was is None or was["phase"] != _RUNNING:
        return False
    paused = becomes["phase"] == _PAUSED
    gated = becomes["phase"] == _RUNNING and becomes["gated"] and not was["gated"]
    follows = {"phase", "frozen", "step"} if paused else {"gated", "step"}
    return (paused or gated) and all(was[part] == becomes[part] for part in was if part not in follows)


def _same_where_both(one: Plain, other: Plain) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def _leading(before: AppState, after: AppState, names: Collection[ChannelName]) -> Iterator[tuple[str, object]]:
    """What sends devices from channel to channel: it may take them from one that is protected."""
    was, becomes = leads(before), leads(after)
    if was != becomes:
        yield "segments", [was, becomes]
    if before.overrides is not after.overrides:
        sent = {device: name for device, name in split(after.overrides)[0].items() if name not in names}
        held = split(before.overrides)[0]
        moved = sorted((device, held.get(device), name) for device, name in sent.items() if held.get(device) != name)
        if moved and len(sent) > OVERRIDES_ALONE:
            yield "overrides", moved


def _rules(before: AppState, after: AppState, at: float) -> Iterator[tuple[str, object]]:
    """What is asked of changes, where it differs."""
    for part, was, becomes in (
        ("approvals", before.approvals, after.approvals),
        ("freezes", _not_over(before, at), _not_over(after, at)),
    ):
        if was != becomes:
            yield part, [msgspec.to_builtins(was), msgspec.to_builtins(becomes)]


def _not_over(state: AppState, at: float) -> list[Freeze]:
    return [each for each in state.freezes if each.ends > at]


def _loosened(before: AppState, after: AppState, names: Collection[ChannelName], at: float) -> set[ChannelName]:
    """Those of the channels of which less is asked."""
    freezes = loosened_freezes(before.freezes, after.freezes, at)
    freed = {name for name in names if any(each.covers(name) for each in freezes)}
    return freed | (set(loosened_rules(before.approvals, after.approvals)) & set(names))

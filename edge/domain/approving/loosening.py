"""Whether a guard, a rule of approval or the freezes ask for less than before. Pure.

What is not plainly stricter counts as looser: a guard with one more test has less of its budget left for the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from edge.domain.app_parts.protection import ApprovalRule, Freeze
from edge.domain.guard_policy import GuardAction, Guarded, GuardPolicy
from edge.domain.model import ChannelName

_GUARDED = (Guarded.NOTHING, Guarded.ROLLOUTS, Guarded.EVERYTHING)
_ACTIONS = (GuardAction.NOTIFY, GuardAction.PAUSE, GuardAction.ROLLBACK)


def loosens_guard(before: GuardPolicy, after: GuardPolicy) -> bool:
    """Whether a release may do more harm under `after`."""
    rest = replace(
        after,
        guarded=before.guarded,
        max_failure=before.max_failure,
        factor=before.factor,
        action=before.action,
        silence=before.silence,
        auto_advance=before.auto_advance,
    )
    return (
        rest != before
        or _GUARDED.index(after.guarded) < _GUARDED.index(before.guarded)
        or after.max_failure > before.max_failure
        or after.factor > before.factor
        or _ACTIONS.index(after.action) < _ACTIONS.index(before.action)
        or _ACTIONS.index(after.silence) < _ACTIONS.index(before.silence)
        or (before.auto_advance and not after.auto_advance)
    )


def loosened_rules(
    before: Mapping[ChannelName, ApprovalRule], after: Mapping[ChannelName, ApprovalRule]
) -> list[ChannelName]:
    """The channels whose rule is gone or asks for less."""
    return sorted(name for name, rule in before.items() if _loosens_rule(rule, after.get(name)))


def _loosens_rule(before: ApprovalRule, after: ApprovalRule | None) -> bool:
    return (
        after is None
        or after.people < before.people
        or not set(after.kinds) >= set(before.kinds)
        or after.expires_seconds > before.expires_seconds
    )


def loosened_freezes(before: Iterable[Freeze], after: Iterable[Freeze], at: float) -> list[Freeze]:
    """Those not over at `at` that end sooner, begin later, cover less or let more pass than they did, or are gone."""
    kept = {each.id: each for each in after}
    return [each for each in before if each.ends > at and _loosens_freeze(each, kept.get(each.id), at)]


def _loosens_freeze(before: Freeze, after: Freeze | None, at: float) -> bool:
    return (
        after is None
        or after.ends < before.ends
        or after.begins > max(before.begins, at)
        or (after.except_rollback and not before.except_rollback)
        or (bool(after.channels) and not (before.channels and set(before.channels) <= set(after.channels)))
    )

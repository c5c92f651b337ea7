"""Setting a channel's rule of approval; beginning and ending freezes. Whether a person may ask for less is judged by
the effect, as of any change. Pure."""

from dataclasses import replace

from edge.domain.app_parts.protection import APP_KINDS, CHOSEN_KINDS, WHOLE_APP, ApprovalRule, ChangeKind, Freeze
from edge.domain.changes.approving.approval_commands import EndFreeze, SetApproval, StartFreeze
from edge.domain.errors import Conflict, Invalid, NotFound
from edge.domain.model import AppState, ChannelName
from edge.domain.schedule.durations import format_duration, format_moment
from edge.domain.states import channel_of, with_entry, without_entry

PEOPLE = range(1, 6)  # who waits for more than five rolls back by telephone
EXPIRES = range(600, 30 * 86_400 + 1)  # seconds: somebody has to look; after a month nobody knows what it was for
FREEZES_LIMIT = 20  # an app: on now or to come
FREEZE_LIMIT_SECONDS = 366 * 86_400  # and how far ahead one can begin


def set_approval(state: AppState, command: SetApproval) -> AppState:
    """Raises NotFound `unknown_channel`, Invalid `invalid_approval`."""
    name = ChannelName(command.channel)
    if name != WHOLE_APP and name not in state.approvals:
        channel_of(state, name)
    if command.people not in PEOPLE:
        raise Invalid(
            "invalid_approval", f"{PEOPLE[0]} to {PEOPLE[-1]} people stand behind a change, its author among them"
        )
    if command.expires_seconds not in EXPIRES:
        least, most = (format_duration(each) for each in (EXPIRES[0], EXPIRES[-1]))
        raise Invalid("invalid_approval", f"a proposal waits for {least} to {most}")
    kinds, choice = set(command.kinds), APP_KINDS if name == WHOLE_APP else CHOSEN_KINDS
    if not kinds or not kinds <= set(choice):
        known, whose = ", ".join(each.value for each in choice), "the app" if name == WHOLE_APP else "a channel"
        raise Invalid("invalid_approval", f"of {whose}, approval is asked for one or more of {known}")
    if command.people == 1:
        if name not in state.approvals:
            return state
        return replace(state, approvals=without_entry(state.approvals, name))
    ordered = tuple(kind for kind in ChangeKind if kind in kinds)
    rule = ApprovalRule(people=command.people, kinds=ordered, expires_seconds=command.expires_seconds)
    return (
        state
        if state.approvals.get(name) == rule
        else replace(state, approvals=with_entry(state.approvals, name, rule))
    )


def start_freeze(state: AppState, command: StartFreeze, at: float, by: str, reason: str) -> AppState:
    """Raises NotFound `unknown_channel`, Invalid `invalid_freeze`, Conflict `too_many_freezes`."""
    for name in command.channels:
        channel_of(state, name)
    begins = max(command.begins, at)
    if not begins < command.ends:
        raise Invalid("invalid_freeze", "a freeze ends after it begins, and in the future")
    if begins > at + FREEZE_LIMIT_SECONDS or command.ends - begins > FREEZE_LIMIT_SECONDS:
        most = format_duration(FREEZE_LIMIT_SECONDS)
        raise Invalid("invalid_freeze", f"a freeze begins at most {most} from now, and lasts at most {most}")
    if len(kept := _not_over(state, at)) >= FREEZES_LIMIT:
        raise Conflict("too_many_freezes", f"app {state.app!r} has {len(kept)} freezes on or to come: end one first")
    freeze = Freeze(
        id=f"f{state.revision + 1}",
        begins=begins,
        ends=command.ends,
        channels=tuple(dict.fromkeys(command.channels)),
        except_rollback=command.except_rollback,
        reason=reason,
        by=by,
    )
    return replace(state, freezes=(*kept, freeze))


def end_freeze(state: AppState, command: EndFreeze, at: float) -> AppState:
    """Raises NotFound `unknown_freeze`."""
    kept = tuple(each for each in state.freezes if each.id != command.freeze)
    found = next((each for each in state.freezes if each.id == command.freeze), None)
    if found is None or found.ends <= at:
        known = ", ".join(f"{each.id} (until {format_moment(each.ends)})" for each in _not_over(state, at))
        raise NotFound(
            "unknown_freeze", f"app {state.app!r} has no freeze {command.freeze[:32]!r}; has: {known or 'none'}"
        )
    return replace(state, freezes=kept)


def _not_over(state: AppState, at: float) -> tuple[Freeze, ...]:
    return tuple(each for each in state.freezes if each.ends > at)

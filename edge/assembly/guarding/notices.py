"""What the guard tells people when it has acted. Pure."""

from edge.domain.changes.guard.guard_commands import Finding, GuardActs, GuardDeed
from edge.domain.shares import format_share
from edge.messages.notice import FigureValue, Notice, NoticeKind


def notice_of(app: str, change_id: str, at: float, reason: str, command: GuardActs) -> Notice:
    """Of a change that was made `at`, in seconds since the epoch. Its id is the change's, so it is told once."""
    return Notice(
        id=change_id,
        kind=_kind(command),
        at=at,
        app=app,
        channel=command.channel,
        bundle=command.bundle,
        title=f"{app} {command.channel}: {_title(command)}",
        text=f"{reason[:1].upper()}{reason[1:]}. {_what_now(app, command)}",
        figures=_figures(command),
    )


def _kind(command: GuardActs) -> NoticeKind:
    match command.deed:
        case GuardDeed.PAUSE:
            return NoticeKind.GUARD_PAUSED
        case GuardDeed.ROLL_BACK:
            return NoticeKind.GUARD_ROLLED_BACK
        case GuardDeed.ADVANCE:
            return NoticeKind.ROLLOUT_ADVANCED
        case GuardDeed.WAIT:
            return NoticeKind.ROLLOUT_WAITS
        case GuardDeed.TELL:
            return NoticeKind.RELEASE_SILENT if command.finding is Finding.SILENT else NoticeKind.GUARD_ALARM


def _title(command: GuardActs) -> str:
    match command.deed:
        case GuardDeed.PAUSE:
            return f"the guard paused {command.bundle}"
        case GuardDeed.ROLL_BACK:
            return f"the guard rolled back {command.bundle}"
        case GuardDeed.ADVANCE:
            return f"the rollout of {command.bundle} advanced"
        case GuardDeed.WAIT:
            return f"the rollout of {command.bundle} waits"
        case GuardDeed.TELL if command.finding is Finding.BLIND:
            return f"nobody sees whether {command.bundle} fails"
        case GuardDeed.TELL if command.finding is Finding.SILENT:
            return f"devices with {command.bundle} fall silent"
        case GuardDeed.TELL:
            return f"{command.bundle} fails"


def _what_now(app: str, command: GuardActs) -> str:
    place = f"{app} {command.channel}"
    match command.deed:
        case GuardDeed.PAUSE if command.finding is Finding.BLIND:
            return (
                "No further device is offered it; those that run it keep it. `edge doctor` on the node says why "
                f"nothing is counted; then `edge rollout resume {place}`: its step, and the guard's count, begin anew."
            )
        case GuardDeed.PAUSE:
            return (
                "No further device is offered it; those that run it keep it. See `edge guard show "
                f"{place}`, then `edge rollout rollback {place}` or `edge rollout resume {place}`."
            )
        case GuardDeed.ROLL_BACK:
            return f"Its devices go back at their next check. See `edge guard show {place}`."
        case GuardDeed.ADVANCE:
            return f"See `edge rollout show {place}`."
        case GuardDeed.WAIT if command.finding is Finding.BLIND:
            return (
                "It goes on by itself once they are here: see `edge node list`. `edge node forget NODE` says that a "
                f"node is gone for good, and nothing waits for it; `edge rollout advance {place}` does not wait."
            )
        case GuardDeed.WAIT:
            return f"It goes on by itself once enough is known; `edge rollout advance {place}` does not wait."
        case GuardDeed.TELL:
            return f"Nothing was changed. See `edge guard show {place}`; `edge rollout pause {place}` stops a rollout."


def _figures(command: GuardActs) -> dict[str, FigureValue]:
    found = command.figures
    about: dict[str, FigureValue] = {"watch": command.watch}
    if command.step is not None:
        about["step"] = command.step + 1
    if found is None:
        return about
    return about | {
        "offered": found.offered,
        "attempts": found.attempts,
        "failed": found.failed,
        "low": found.low,
        "high": found.high,
        "max_failure": format_share(found.max_failure),
    }

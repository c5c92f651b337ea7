"""After an offer: a warning if no known device can take it, with the reasons. Only a warning, so it never fails."""

from typing import Any

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.output import counted, note
from edge.domain.decision.outcomes import Reason
from edge.domain.errors import EdgeError

REASONS_SHOWN = 3
# These pass with time, so they deserve no warning.
_PASSING = frozenset({Reason.SPREAD.code, Reason.OUTSIDE_WINDOW.code})


def warn_of_reach(client: ControlClient, app: str, channel: str) -> None:
    """Warn on stderr if no known device can take what the channel offers."""
    try:
        warning = warning_of(client.get(app_path(app, "channels", channel, "reach")))
    except EdgeError:
        return  # the node is busy, or too old to answer
    if warning:
        note(f"warning: {warning}")


def warning_of(seen: dict[str, Any]) -> str:
    """Empty if some device takes it or runs it, if the reason passes with time, or if no devices are known."""
    kept: dict[str, int] = seen["kept"]
    if not seen["devices"] or seen["offered"] or seen["has_it"] or _PASSING & kept.keys():
        return ""
    groups = sorted(kept.items(), key=lambda each: (-each[1], each[0]))
    reasons = [f"{_are(n)} blocked by {code}{_meaning(code)}" for code, n in groups[:REASONS_SHOWN]]
    if rest := sum(n for _, n in groups[REASONS_SHOWN:]):
        reasons.append(f"{_are(rest)} blocked by other rules")
    if seen["elsewhere"]:
        reasons.append(f"{_are(seen['elsewhere'])} not on channel {seen['channel']}")
    return f"0 of {counted(seen['devices'], 'known device')} can take it: {', '.join(reasons)}"


def _are(n: int) -> str:
    return f"{n} is" if n == 1 else f"{n} are"


def _meaning(code: str) -> str:
    return next((f" ({each.message})" for each in Reason if each.code == code), "")

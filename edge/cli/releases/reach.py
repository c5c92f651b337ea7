"""After an offer: a warning where no known device can take it, with the reasons. Only a warning, so it never fails."""

from typing import Any

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.output import counted, note
from edge.domain.decision.outcomes import Reason
from edge.domain.errors import EdgeError

REASONS_SHOWN = 3
# Waiting is enough for these, so they are nothing to warn of.
_PASSING = frozenset({Reason.SPREAD.code, Reason.OUTSIDE_WINDOW.code})


def warn_of_reach(client: ControlClient, app: str, channel: str) -> None:
    """Says on stderr that no known device can take what the channel offers now."""
    try:
        warning = warning_of(client.get(app_path(app, "channels", channel, "reach")))
    except EdgeError:
        return  # a node that is busy, or too old to tell
    if warning:
        note(f"warning: {warning}")


def warning_of(seen: dict[str, Any]) -> str:
    """Empty where some device takes it or runs it, where waiting is enough, and where no devices are known."""
    kept: dict[str, int] = seen["kept"]
    if not seen["devices"] or seen["offered"] or seen["has_it"] or _PASSING & kept.keys():
        return ""
    groups = sorted(kept.items(), key=lambda each: (-each[1], each[0]))
    reasons = [f"{_are(n)} kept by {code}{_meaning(code)}" for code, n in groups[:REASONS_SHOWN]]
    if rest := sum(n for _, n in groups[REASONS_SHOWN:]):
        reasons.append(f"{_are(rest)} kept by other rules")
    if seen["elsewhere"]:
        reasons.append(f"{_are(seen['elsewhere'])} not on channel {seen['channel']}")
    return f"0 of {counted(seen['devices'], 'known device')} can take it: {', '.join(reasons)}"


def _are(n: int) -> str:
    return f"{n} is" if n == 1 else f"{n} are"


def _meaning(code: str) -> str:
    return next((f" ({each.message})" for each in Reason if each.code == code), "")

"""What the guard says, in words: plain text for people, in revisions, logs, messages and on the page. Pure."""

from edge.domain.guard_policy import GuardMetric
from edge.domain.guarding.odds.rates import rate_interval

HOUR_MS = 3_600_000

# What is counted, and what befell it.
_BEFELL = {
    GuardMetric.UPDATE_FAIL: ("installs", "failed"),
    GuardMetric.INSTALL_FAIL: ("updates", "could not be installed"),
    GuardMetric.CRASH: ("installs", "had a crash"),
    GuardMetric.ERROR: ("installs", "had an error"),
}


def count(number: int) -> str:
    """`6,810`."""
    return f"{number:,}"


def percent(rate: float) -> str:
    """Two digits, as for the ends of intervals: `5.5 %`, `29 %`, `0.57 %`; a whole percent without decimals."""
    return f"{digits(rate)} %"


def digits(rate: float) -> str:
    """`percent` without its unit."""
    shown = 100 * rate
    if shown >= 9.95:
        return f"{shown:.0f}"
    text = f"{shown:.1f}" if shown >= 0.995 else f"{shown:.2g}" if shown >= 0.0001 else "0"
    return text.removesuffix(".0")


def failures_said(attempts: int, failed: int, metric: GuardMetric = GuardMetric.UPDATE_FAIL) -> str:
    """`14 of 96 installs failed, 5.5 to 29 %`, with an interval that is valid at every look."""
    what, befell = _BEFELL[metric]
    if not attempts:
        return f"no {what} yet"
    low, high = rate_interval(attempts, failed)
    between = f"{digits(low)} to {percent(high)}" if failed else f"at most {percent(high)}"
    return f"{count(failed)} of {count(attempts)} {what} {befell}, {between}"


def odds_said(log_odds: float) -> str:
    """`2,800 to 1`, in two digits; from a million on `more than a million to 1`."""
    if log_odds < 0:
        return "less than 1 to 1"
    if log_odds >= 13.8155:
        return "more than a million to 1"
    odds = float(f"{2.718281828459045**log_odds:.2g}")
    return f"{odds:,.0f} to 1" if odds >= 10 else f"{odds:g} to 1"


def silence_said(installed: int, silent: int, age_ms: int, allowed: float) -> str:
    """Of devices that fell silent, and how many may."""
    said = f"{count(silent)} of {count(installed)} devices that installed it were not heard of again"
    return f"{said} within {age_ms // HOUR_MS} h; expected are at most {percent(allowed)}"


def control_said(metric: str, devices: int, in_rollout: int, factor: float) -> str:
    """Of an event that happens more often in the rollout's arm."""
    than = "than outside" if factor == 1 else f"than {factor:g} times as often as outside"
    return (
        f"{metric} in the rollout more often {than}: {count(in_rollout)} of the {count(devices)} devices that had one"
    )


def without_said(node: str) -> str:
    """How a sentence begins that holds without what this node brought; "" for none."""
    return f"without the reports of {node}, " if node else ""


def alone_said(node: str) -> str:
    """How a sentence ends that rests on the word of this node; "" for none."""
    return f"; what others than {node} report does not show it" if node else ""

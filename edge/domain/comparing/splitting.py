"""Whether the devices of an experiment fall into its arms as their weights say. Pure.

If they do not, something keeps devices of one arm from being heard of, and no comparison can be believed.
"""

from collections.abc import Sequence
from math import exp, log

from edge.domain.comparing.event_share import log_odds
from edge.domain.comparing.reading import SplitReading

DOUBT_ALPHA = 0.001  # for the whole experiment, however often one looks
_ODDS_LIMIT = 700.0  # as a logarithm: e^700 is near the largest float


def check_split(devices: Sequence[int], weights: Sequence[int]) -> SplitReading:
    """Each arm against all others, with its part of alpha; two arms are one comparison."""
    n, whole = sum(devices), sum(weights)
    tests = 1 if len(devices) == 2 else len(devices)
    found = max(_log_odds(n, k, weight / whole) for k, weight in zip(devices, weights, strict=True))
    limit = tests / DOUBT_ALPHA
    odds, doubted = exp(min(found, _ODDS_LIMIT)), found >= log(limit)
    return SplitReading(doubted=doubted, odds=odds, limit=limit, sentence=_sentence(devices, weights, odds, limit))


def _log_odds(n: int, k: int, share: float) -> float:
    """Also of an arm for all devices or for none: then a single one that is elsewhere refutes it."""
    if 0 < share < 1:
        return log_odds(n, k, share)
    return 0.0 if k == n * share else _ODDS_LIMIT


def _sentence(devices: Sequence[int], weights: Sequence[int], odds: float, limit: float) -> str:
    n = sum(devices)
    if not n:
        return "No device has checked yet."
    found = " to ".join(f"{100 * each / n:.1f}" for each in devices)
    meant = " to ".join(f"{100 * each / sum(weights):g}" for each in weights)
    if odds < limit:
        against = f"odds {_odds(odds)} to 1 against" if odds >= 1 else "nothing speaks against it"
        return f"The split is as meant: {found} %, for {meant} ({against}; it is doubted from {limit:,.0f} to 1)."
    return (
        f"The split is not as meant: {found} %, for {meant} (odds {_odds(odds)} to 1 against). Devices of one arm are "
        "missing or counted elsewhere, so no comparison is shown. Look for what keeps an arm's devices from checking: "
        "a bundle that does not start, a proxy, or checks that name another app."
    )


def _odds(odds: float) -> str:
    if odds >= 1_000_000:
        return "more than 1,000,000"
    return f"{odds:,.1f}" if odds < 10 else f"{odds:,.0f}"

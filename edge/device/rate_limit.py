"""The effect of a 429 on a device's further traffic: none, silence until the app restarts, or a wait.

PROTOCOL.md §1.9, §11.8.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from edge.device.behaviours import RateLimit

WAIT_LIMIT_SECONDS = 24 * 3600.0  # the plugin's own cap


class RateGate:
    """Lives as long as the app's process: a new launch starts open."""

    def __init__(self, rule: RateLimit) -> None:
        self._rule = rule
        self._latched = False
        self._closed_until = -math.inf

    def closed(self, now: float) -> bool:
        """Whether all calls are skipped. `now` is in seconds since the epoch."""
        return self._latched or now < self._closed_until

    def take_429(self, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """Apply a 429. Returns True once, when the single `rate_limit_reached` report is due."""
        match self._rule:
            case RateLimit.PLAIN_FAILURE:
                return False
            case RateLimit.RETRY_AFTER:
                self._closed_until = now + plan_wait_seconds(headers, body, now)
                return False
            case RateLimit.LATCH | RateLimit.LATCH_WITHOUT_REPORT:
                first, self._latched = not self._latched, True
                return first and self._rule is RateLimit.LATCH


def plan_wait_seconds(headers: Mapping[str, str], body: bytes, now: float) -> float:
    """Seconds to wait by `Retry-After`, else by the body's hints in the plugin's order; without any, 0."""
    hints = _body_hints(body)
    seconds = (headers.get("Retry-After"), *(hint.get("retryAfterSeconds") for hint in hints))
    for value in seconds:
        wait = _number(value)
        if wait is not None:
            return min(max(wait, 0.0), WAIT_LIMIT_SECONDS)
    for hint in hints:
        reset_milliseconds = _number(hint.get("rateLimitResetAt"))
        if reset_milliseconds is not None:
            return min(max(reset_milliseconds / 1000 - now, 0.0), WAIT_LIMIT_SECONDS)
    return 0.0


def _body_hints(body: bytes) -> list[dict[str, Any]]:
    try:
        whole = json.loads(body)
    except ValueError:
        return []
    if not isinstance(whole, dict):
        return []
    inner = whole.get("moreInfo")
    return [inner, whole] if isinstance(inner, dict) else [whole]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None

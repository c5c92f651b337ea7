"""What all doubles of push providers share: what they saw wrong, what they were told to do instead of their work.

A double judges by the provider's published rules and notes every breach: `faults` is empty after a test in which the
client did nothing wrong.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

CLOCK_SKEW_SECONDS = 300


class Scripted(NamedTuple):
    """An answer instead of the usual one. `silent`: none at all; `cut`: the connection is closed; `drips`: what comes
    of it, byte by byte without an end."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    silent: bool = False
    cut: bool = False
    drips: bytes = b""


SILENCE, CUT = Scripted(silent=True), Scripted(cut=True)


@dataclass
class Seen:
    """`taken` counts messages by token, `received` keeps the last ones whole; `script` has answers by token, each used
    for as long as it is there."""

    clock: Callable[[], float]
    taken: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    faults: list[str] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    script: dict[str, Scripted] = field(default_factory=dict)
    keep: int = 1_000
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def fault(self, what: str) -> None:
        if len(self.faults) < 100:
            self.faults.append(what)

    def take(self, token: str, message: Any) -> None:
        self.taken[token] += 1
        if len(self.received) < self.keep:
            self.received.append(message)

    def scripted(self, token: str) -> Scripted | None:
        """By the whole token, else by what is before its first '!': a token of a drill says what it wants."""
        self.requests += 1
        self.asked.set()
        return self.script.get(token) or self.script.get(token.partition("!")[0])


def decoded_jwt(token: str, key: Any, algorithm: str, seen: Seen) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and claims, verified by a library that the client does not use; None, and a fault, for a bad one."""
    from joserfc import jwt

    try:
        decoded = jwt.decode(token, key, algorithms=[algorithm])
    except Exception as error:  # whatever the library says of it is the fault
        seen.fault(f"token refused: {type(error).__name__} {error}")
        return None
    return dict(decoded.header), dict(decoded.claims)

"""Sessions of browsers: each stands for one token, has an end, and is kept in memory alone, by the hash of its id.

Nothing here says what a session may do: whoever asks looks the token up again, so a revoked one opens nothing. The
number is bounded; the oldest goes first. A restart of the node ends them all.
"""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

SESSION_SECONDS = 8 * 3_600.0  # a working day: a browser that is left open does not stay signed in over night
SESSIONS_LIMIT = 1_000  # of all tokens; some 500 bytes each
TOKEN_SESSIONS_LIMIT = 20  # a person's browsers, and a script that signs in each minute
ID_BYTES = 32


@dataclass(slots=True, kw_only=True)
class Session:
    """`token_hash` is that of the token that opened it; `form_token` is in each of its forms. Times are in seconds
    since the epoch. `streams` are the event streams that are open now."""

    token: str
    token_hash: str
    opened: float
    until: float
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(ID_BYTES))
    streams: int = 0
    notice: Any = None  # what the next page says once
    over: asyncio.Event = field(default_factory=asyncio.Event)  # it has ended


class Sessions:
    """Those of one node."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Session] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._by_hash)

    def open(self, token: str, token_hash: str, now: float) -> str:
        """Begin a session of the token and return its id, which is nowhere else."""
        self._make_room(token_hash, now)
        secret = secrets.token_urlsafe(ID_BYTES)
        session = Session(token=token, token_hash=token_hash, opened=now, until=now + SESSION_SECONDS)
        self._by_hash[_hash(secret)] = session
        return secret

    def find(self, secret: str, now: float) -> Session | None:
        """The session with this id, unless it has ended."""
        session = self._by_hash.get(_hash(secret))
        if session is not None and session.until <= now:
            self._end(_hash(secret))
            return None
        return session

    def end(self, secret: str) -> None:
        """Sign out: streams of the session end too."""
        self._end(_hash(secret))

    def _end(self, key: str) -> None:
        session = self._by_hash.pop(key, None)
        if session is not None:
            session.over.set()

    def _make_room(self, token_hash: str, now: float) -> None:
        for key in [key for key, each in self._by_hash.items() if each.until <= now]:
            self._end(key)
        own = [key for key, each in self._by_hash.items() if each.token_hash == token_hash]
        for key in own[: max(0, len(own) - TOKEN_SESSIONS_LIMIT + 1)]:
            self._end(key)
        while len(self._by_hash) >= SESSIONS_LIMIT:
            self._end(next(iter(self._by_hash)))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

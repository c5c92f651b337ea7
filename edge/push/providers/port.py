"""The port between what plans and keeps messages, and what speaks to a provider.

One `send` is one attempt, and says what came of it; whoever calls keeps the state and decides about repeats. The only
request that a provider repeats by itself is one that was refused for an expired access token, once, with a new token:
nothing was delivered by the first.
"""

from typing import Protocol

from edge.domain.pushing.payload import PushAttempt, PushPayload, PushTarget


class PushProvider(Protocol):
    """An app's way to its devices through one provider, with one set of credentials."""

    at_once: int  # attempts that may wait for an answer at the same time
    per_second: float  # attempts that may begin in a second, by the published quotas

    async def send(self, target: PushTarget, payload: PushPayload, now: float) -> PushAttempt:
        """One attempt; ends within `SEND_SECONDS`. `now` is in seconds since the epoch. Never raises for what the
        provider, the network or the token does."""
        ...

    async def close(self) -> None:
        """Give up connections; attempts that wait end as UNKNOWN."""
        ...


SEND_SECONDS = 35.0  # an attempt with everything that it waits for: a connection, an access token, the answer

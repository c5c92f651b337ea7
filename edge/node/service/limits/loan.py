"""A connection that the lane hands over to aiohttp: for good, or for one request whose bytes it has counted. Pure."""

from collections.abc import Callable
from typing import NamedTuple

BEHIND_LIMIT_BYTES = 64 * 1024  # of further requests that wait during this one; beyond it, the peer is not read from


class Handed(NamedTuple):
    """A connection that is admitted under `address`; its peer has taken `waited_seconds` so far to send the head of the
    request that has begun. It was lent for one request, or is given for good."""

    address: str
    waited_seconds: float = 0.0
    loan: "Loan | None" = None


class Loan:
    """Of what arrives, the first `size_bytes` are the borrower's. What comes behind them waits, and `take_back` gets it
    with the connection, once the request is done."""

    def __init__(self, size_bytes: int, take_back: Callable[[bytes], None]) -> None:
        self.take_back = take_back
        self._missing = size_bytes
        self._behind = b""

    @property
    def whole(self) -> bool:
        """Whether the request that the connection was lent for has arrived."""
        return not self._missing

    @property
    def full(self) -> bool:
        """Whether no more may wait behind it."""
        return len(self._behind) > BEHIND_LIMIT_BYTES

    def take(self, data: bytes) -> bytes:
        """The borrower's part of what has arrived; the rest waits."""
        own, behind = data[: self._missing], data[self._missing :]
        self._missing -= len(own)
        self._behind += behind
        return own

    def behind(self) -> bytes:
        """Take what has waited."""
        behind, self._behind = self._behind, b""
        return behind

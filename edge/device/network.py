"""The device's HTTP stack: requests with the release's headers and timeouts, and connections that break on purpose.

Every request is recorded in the ledger. Nothing here knows bundles. PROTOCOL.md §1.1, §5.2-5.4.
"""

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
from multidict import CIMultiDictProxy

from edge.device.behaviours import HttpTimeouts
from edge.device.failure import ProcessKilled
from edge.device.ledger import Ledger, LedgerRequest
from edge.device.profile import Profile

CHUNK_BYTES = 64 * 1024
ANSWER_LIMIT_BYTES = 64 * 1024 * 1024  # of a reply read into memory; 20,000 manifest entries are about 5 MB
ANDROID_ZIP_CONNECT_SECONDS, ANDROID_ZIP_READ_SECONDS = 30, 60  # HttpURLConnection, PROTOCOL.md §5.2
TOTAL_LIMIT_EXTRA_SECONDS, TOTAL_LIMIT_FLOOR_SECONDS = 5, 10  # iOS, PROTOCOL.md §5.3


class CutKind(enum.Enum):
    """What breaks a transfer."""

    DROPPED = "dropped"  # the connection breaks, the network stays
    OFFLINE = "offline"  # the network is gone: Android reruns the same job when it is back
    KILLED = "killed"  # the app dies


class Cut(NamedTuple):
    """One break of the connection."""

    after_bytes: int  # bundle bytes received in all transfers of this update since the previous cut
    kind: CutKind = CutKind.DROPPED


class CutPlan:
    """Where the connection breaks in one update. Cuts happen in order, each once."""

    def __init__(self, *cuts: Cut) -> None:
        self._cuts = list(cuts)
        self._left = cuts[0].after_bytes if cuts else 0

    def allow(self, wanted: int) -> int:
        """How many of `wanted` bytes arrive before the next cut."""
        return min(wanted, self._left) if self._cuts else wanted

    def passed(self, count: int) -> None:
        """Count bytes that arrived. Raises BodyBroken, Offline or ProcessKilled at a cut."""
        if not self._cuts:
            return
        self._left -= count
        if self._left > 0:
            return
        kind = self._cuts.pop(0).kind
        self._left = self._cuts[0].after_bytes if self._cuts else 0
        if kind is CutKind.KILLED:
            raise ProcessKilled("the app was killed while downloading")
        raise Offline("offline") if kind is CutKind.OFFLINE else BodyBroken("connection lost")


class TransferFailed(Exception):
    """No answer, or not all of it."""


class BodyBroken(TransferFailed):
    """The body ended before its Content-Length."""


class Offline(TransferFailed):
    """The device has no network."""


class NetworkReply(NamedTuple):
    """A whole reply, decompressed."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Incoming:
    """A body being received. `received` counts the bytes that `chunks` has yielded."""

    def __init__(self, response: aiohttp.ClientResponse, cuts: CutPlan, overdue: Callable[[], None]) -> None:
        self.status = response.status
        self.content_range = response.headers.get("Content-Range", "")
        # A compressed body's Content-Length is not the number of bytes that the HTTP stack delivers.
        self.length = None if "Content-Encoding" in response.headers else response.content_length
        self.received = 0
        self._content = response.content
        self._cuts = cuts
        self._overdue = overdue

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes. Raises TransferFailed or ProcessKilled, after yielding what arrived."""
        self._cuts.passed(0)
        while chunk := await self._read():
            self._overdue()
            arrived = chunk[: self._cuts.allow(len(chunk))]
            self.received += len(arrived)
            yield arrived
            self._cuts.passed(len(arrived))

    async def _read(self) -> bytes:
        try:
            return await self._content.read(CHUNK_BYTES)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BodyBroken(f"{type(error).__name__}: {error}") from error


class DeviceNetwork:
    """The connections of one device in one update."""

    def __init__(
        self,
        profile: Profile,
        session: aiohttp.ClientSession,
        ledger: Ledger,
        *,
        user_agent: str,
        zip_user_agent: str,
        response_timeout_seconds: float,
        clock: Callable[[], float],
        cuts: CutPlan,
    ) -> None:
        self._profile = profile
        self._session = session
        self._ledger = ledger
        self._user_agent = user_agent
        self._zip_user_agent = zip_user_agent
        self._response_timeout_seconds = response_timeout_seconds
        self._clock = clock
        self._cuts = cuts

    async def post(self, url: str, body: bytes, method: str = "POST") -> NetworkReply:
        """Send `body` and read the whole reply; `method` is for the channel calls. Raises TransferFailed."""
        json_type = "application/json; charset=utf-8" if self._profile.android else "application/json"
        headers = {"User-Agent": self._user_agent, "Content-Type": json_type, "Accept-Encoding": self._encodings()}
        if not self._profile.android:
            headers["Accept"] = "application/json"
        started, status, received, cause = self._clock(), 0, b"", ""
        try:
            async with self._session.request(
                method, url, data=body or None, headers=headers, timeout=self._timeout()
            ) as response:
                status, received = response.status, await _read_limited(response)
                return NetworkReply(status, response.headers, received)
        except (aiohttp.ClientError, TimeoutError) as error:
            cause = f"{type(error).__name__}: {error}"
            raise TransferFailed(cause) from error
        finally:
            seconds, sent = self._clock() - started, body.decode()
            request = LedgerRequest(method, url, status, "", len(body), len(received), seconds, sent, cause)
            self._ledger.requests.append(request)

    @asynccontextmanager
    async def get(self, url: str, offset: int | None, *, zip_client: bool = False) -> AsyncIterator[Incoming]:
        """Request bytes from `offset` on, or without a Range if it is None. Raises TransferFailed, ProcessKilled."""
        started, incoming, cause = self._clock(), None, ""
        span = "" if offset is None else f"bytes={offset}-"
        headers = {"User-Agent": self._zip_user_agent if zip_client else self._user_agent}
        if span:
            headers["Range"] = span
        # Java's and OkHttp's transparent gzip is for requests without a Range.
        headers["Accept-Encoding"] = "identity" if span else self._encodings()
        try:
            async with (
                asyncio.timeout(self._total_limit_seconds()),
                self._session.get(url, headers=headers, timeout=self._timeout(zip_client)) as response,
            ):
                incoming = Incoming(response, self._cuts, self._deadline(started))
                yield incoming
        except TransferFailed as error:
            cause = str(error)
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            cause = f"{type(error).__name__}: {error}"
            raise TransferFailed(cause) from error
        finally:
            status, received = (incoming.status, incoming.received) if incoming else (0, 0)
            seconds = self._clock() - started
            self._ledger.requests.append(LedgerRequest("GET", url, status, span, 0, received, seconds, cause=cause))

    def _deadline(self, started: float) -> Callable[[], None]:
        limit = self._total_limit_seconds()

        def overdue() -> None:
            if limit is not None and self._clock() - started > limit:
                raise TransferFailed(f"not complete after {limit:g} s")

        return overdue

    def _total_limit_seconds(self) -> float | None:
        if not self._profile.total_transfer_limit:
            return None
        return max(self._response_timeout_seconds + TOTAL_LIMIT_EXTRA_SECONDS, TOTAL_LIMIT_FLOOR_SECONDS)

    def _timeout(self, zip_client: bool = False) -> aiohttp.ClientTimeout:
        if zip_client and self._profile.android:
            return aiohttp.ClientTimeout(sock_connect=ANDROID_ZIP_CONNECT_SECONDS, sock_read=ANDROID_ZIP_READ_SECONDS)
        match self._profile.timeouts:
            case HttpTimeouts.TEN_SECONDS:
                seconds: float = 10
            case HttpTimeouts.THIRTY_SECONDS:
                seconds = 30
            case HttpTimeouts.VOLLEY | HttpTimeouts.RESPONSE_TIMEOUT:
                seconds = self._response_timeout_seconds
        return aiohttp.ClientTimeout(sock_connect=seconds, sock_read=seconds)

    def _encodings(self) -> str:
        return "gzip" if self._profile.android else "gzip, deflate, br"


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > ANSWER_LIMIT_BYTES:
            raise TransferFailed(f"answer exceeds the limit of {ANSWER_LIMIT_BYTES} bytes")
    return bytes(body)

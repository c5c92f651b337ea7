"""HTTP to the node above: one session, one token, and an end to every wait. Whatever goes up, or comes down, uses it.

TLS is verified, and plain HTTP reaches this machine alone. No redirect and no proxy is followed, so the token goes
nowhere else. A request that breaks before its answer begins is sent once more: everything that goes up may be repeated.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
from yarl import URL

from edge import __version__
from edge.config import is_loopback
from edge.domain.errors import Conflict, EdgeError, Invalid, Malformed, NotFound, TooLarge
from edge.regions.source import SourceLost, SourceRefuses

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0  # unless the caller knows better: from the request to the last byte of an answer
SILENCE_SECONDS = 30.0  # between two pieces of a stream
ANSWER_LIMIT_BYTES = 1 << 20
PIECE_BYTES = 256 << 10  # of a stream at once; what waits unread is twice as much at most
CONNECTIONS = 16  # at once, to one node: blobs beside each other, and what else goes up
IDLE_SECONDS = 45.0  # a connection is kept so long; the node above keeps it longer
TOKEN_LIMIT_BYTES = 256
SAID_LIMIT = 300  # characters of another node's message that are repeated

_ERRORS: Mapping[int, type[EdgeError]] = {400: Malformed, 404: NotFound, 409: Conflict, 413: TooLarge, 422: Invalid}
_EVERY_FEED_HAS = "/v1/feed/documents"
_REFUSALS = frozenset({401, 403})


class _Said(msgspec.Struct):
    error: str
    message: str


class UpstreamAnswer(NamedTuple):
    """A success, whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class UpstreamStream:
    """A success that is still coming."""

    def __init__(self, name: str, response: aiohttp.ClientResponse, silence_seconds: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._name, self._response, self._silence_seconds = name, response, silence_seconds

    async def pieces(self) -> AsyncIterator[bytes]:
        """At most PIECE_BYTES each, until the answer is whole. Raises SourceLost, also if it broke off."""
        content = self._response.content
        try:
            while True:
                async with asyncio.timeout(self._silence_seconds):
                    piece = await content.read(PIECE_BYTES)
                if not piece:
                    return
                yield piece
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise SourceLost("source_lost", f"the answer of {self._name} broke off: {_reason(error)}") from error


class Upstream:
    """The node at `url`. Safe among the tasks of one event loop; `close` it there.

    Every method raises SourceLost (no answer, not in time, or the node cannot now), SourceRefuses (the token, or an
    address that is no node's control port) and, for all other refusals, the EdgeError of their status; each with the
    other node's code where it said one.
    """

    def __init__(
        self,
        url: str,
        token_file: Path | Callable[[], str],
        *,
        insecure: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`token_file` may be a function that returns the token. `insecure` allows plain HTTP to other machines; `tls`
        replaces the system's own authorities. Raises Invalid `invalid_source`."""
        self._base = parse_node_address(url, insecure=insecure)
        self.name = str(self._base).rstrip("/")
        self._read_token = partial(read_token, token_file) if isinstance(token_file, Path) else token_file
        self._token = ""
        self._tls: ssl.SSLContext | bool = tls or True
        self._opened: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit_bytes: int = ANSWER_LIMIT_BYTES,
        seconds: float = ANSWER_SECONDS,
    ) -> UpstreamAnswer:
        """The whole answer, of at most `limit_bytes`, within `seconds`."""
        try:
            async with (
                asyncio.timeout(seconds),
                self.stream(method, path, query=query, body=body, headers=headers, seconds=seconds) as answer,
            ):
                content = await self._whole(answer, limit_bytes)
        except TimeoutError as error:
            raise SourceLost("source_lost", f"{self.name} did not answer within {seconds:.0f} s") from error
        return UpstreamAnswer(answer.status, answer.headers, content)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> AsyncIterator[UpstreamStream]:
        """For the block, an answer that began within `seconds`. Left early, the connection is given up."""
        url = self._base.joinpath(*path.strip("/").split("/"), encoded=True).with_query(query)
        response = await self._begun(method, url, body, dict(headers or {}), seconds)
        try:
            yield UpstreamStream(self.name, response, silence_seconds)
        finally:
            response.release() if response.content.at_eof() else response.close()

    async def close(self) -> None:
        """Ends what is in progress."""
        if self._opened is not None:
            await self._opened.close()

    async def _begun(
        self, method: str, url: URL, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(seconds):
                response = await self._sent(method, url, body, headers)
                if response.status == 401 and await self._renewed_token():
                    response.close()
                    response = await self._sent(method, url, body, headers)
                if not 200 <= response.status < 300:
                    raise await self._refusal(response)
                return response
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceLost("source_lost", f"no answer from {self.name}: {_reason(error)}") from error

    async def _sent(self, method: str, url: URL, body: bytes | None, headers: dict[str, str]) -> aiohttp.ClientResponse:
        if not self._token:
            await self._renewed_token()
        sent = headers | {"Authorization": f"Bearer {self._token}"}
        try:
            return await self._session().request(method, url, data=body, headers=sent, allow_redirects=False)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):  # kept open, and closed by the other side
            return await self._session().request(method, url, data=body, headers=sent, allow_redirects=False)

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                read_bufsize=PIECE_BYTES,
                trust_env=False,
                auto_decompress=False,
                headers={"User-Agent": f"edge/{__version__}", "Accept-Encoding": "identity"},
            )
        return self._opened

    async def _renewed_token(self) -> bool:
        """Read the token's file, which may have been replaced; whether it has another one. Raises SourceRefuses."""
        before, self._token = self._token, await asyncio.to_thread(self._read_token)
        return bool(before) and before != self._token

    async def _whole(self, answer: UpstreamStream, limit_bytes: int) -> bytes:
        content = bytearray()
        async for piece in answer.pieces():
            content += piece
            if len(content) > limit_bytes:
                raise SourceLost("unexpected_answer", f"an answer of {self.name} exceeds {limit_bytes} bytes")
        return bytes(content)

    async def _refusal(self, response: aiohttp.ClientResponse) -> EdgeError:
        """What a status that is no success means."""
        answer, status = UpstreamStream(self.name, response, SILENCE_SECONDS), response.status
        try:
            said = msgspec.json.decode(await self._whole(answer, ANSWER_LIMIT_BYTES), type=_Said)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._foreign(response)
        finally:
            response.release() if response.content.at_eof() else response.close()
        if status == 404 and response.headers.get("Access-Control-Allow-Origin") == "*":
            told = f"{self.name} is a node's device port: use its control port, by default 8081"
            return SourceRefuses("device_port", told)
        if status == 404 and response.url.path.endswith(_EVERY_FEED_HAS):
            told = f"{self.name} has no feed: its release is too old to be followed; upgrade it first"
            return SourceRefuses("no_feed", told)
        code, message = printable(said.error), f"{self.name}: {printable(said.message)}"
        if status in _REFUSALS:
            return SourceRefuses(code, message)
        return _ERRORS.get(status, SourceLost)(code, message)

    def _foreign(self, response: aiohttp.ClientResponse) -> EdgeError:
        if 300 <= response.status < 400:
            told = f"{self.name} redirects, which is not followed: use the address of the node itself"
            return SourceRefuses("unexpected_answer", told)
        told = f"{self.name} answered with HTTP status {response.status} and no reason: is it a node's control port?"
        return SourceLost("unexpected_answer", told)


def parse_node_address(url: str, *, insecure: bool = False) -> URL:
    """The address of another node's control port. Raises Invalid `invalid_source`."""
    found = _parsed(url)
    if found is None:
        told = f"{url[:200]!r} is not the address of a node's control port, like https://origin.example.com:8081"
        raise Invalid("invalid_source", told)
    if found.scheme == "http" and not insecure and not is_loopback(found.host or ""):
        told = (
            f"{url} is not encrypted, and whoever reads the token on its way can pose as this node: use https, or, "
            "within a network of your own, --insecure (upstream.insecure)"
        )
        raise Invalid("invalid_source", told)
    return found


def _parsed(url: str) -> URL | None:
    try:
        found = URL(url)
    except ValueError:
        return None
    whole = found.scheme in ("http", "https") and found.host and found.port
    plain = url.isascii() and url.isprintable() and " " not in url
    return found if whole and plain and not (found.query or found.fragment or found.user) else None


def read_token(file: Path) -> str:
    """The token in a file. Raises SourceRefuses `no_token`."""
    try:
        with file.open("rb") as opened:
            text = opened.read(TOKEN_LIMIT_BYTES).decode("ascii").strip()
    except OSError as error:
        raise SourceRefuses("no_token", f"{file}, the token for the node above: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise SourceRefuses("no_token", f"{file}, the token for the node above, holds no token")
    return text


def printable(text: str) -> str:
    """What another node said, safe to show."""
    return "".join(each if each.isprintable() else " " for each in text[:SAID_LIMIT])


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is refused: {_detail(error.certificate_error)}"
        case aiohttp.ClientConnectorSSLError():
            return "that port does not speak TLS (is it an http:// address?)"
        case aiohttp.ClientConnectorDNSError():
            return "its host has no address"
        case aiohttp.ClientConnectorError() if error.os_error.errno:
            return os.strerror(error.os_error.errno).lower()  # asyncio's own text is that of a failed call
        case aiohttp.ClientConnectorError():
            return _detail(error.os_error)
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection"
        case TimeoutError():
            return "it did not answer in time"
        case aiohttp.ClientResponseError():
            return f"its answer is not HTTP ({_detail(error.message)}); is it an https:// address?"
        case aiohttp.ClientPayloadError():
            return "the connection broke"
    return _detail(error)


def _detail(said: object) -> str:
    return printable(getattr(said, "strerror", None) or str(said) or type(said).__name__)

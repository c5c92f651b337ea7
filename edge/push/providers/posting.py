"""Posts to a provider over connections that are kept: no redirect, no proxy, no cookie, an end to every phase.

Where a name leads is judged when the socket is made, whatever was checked before: a name that resolves to this machine
or to its network the next time gets nowhere. What cannot have arrived is told apart from what may have.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from edge import __version__
from edge.messages.addresses import IPNetwork, address_fault
from edge.messages.sending import BoundedNames, Resolve, SystemNames, fault_of, retry_after_of
from edge.wire.providers.answers import ProviderAnswer

ALLOWED_OPTION = "push.allowed_networks"
ANSWER_LIMIT_BYTES = 16_384  # of an answer; providers' errors have under 2 kB
KEPT_SECONDS = 15.0  # an idle connection is closed by us before a provider does it in the middle of a request
RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 25.0  # below the port's SEND_SECONDS


class PostingRules(NamedTuple):
    """`allowed` are networks beyond the public internet; `ca_file` has authorities beside the system's."""

    allowed: Sequence[IPNetwork] = ()
    ca_file: str = ""
    resolve: Resolve | None = None
    total_seconds: float = TOTAL_SECONDS

    def context(self) -> ssl.SSLContext:
        """One of the caller's own: HTTP/1 and HTTP/2 offer other protocols in it. Blocks. Raises OSError."""
        made = ssl.create_default_context()
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file:
            made.load_verify_locations(self.ca_file)
        return made


ORDINARY_RULES = PostingRules()


class NotArrived(Exception):
    """The request cannot have arrived; the words show nothing of the address but its host."""


class NoAnswer(Exception):
    """The request may have arrived."""


@dataclass(slots=True)
class _Progress:
    written: bool = False
    refused: str = ""


class Posting:
    """`at_once` is the number of connections; more posts wait for one within their time."""

    def __init__(self, rules: PostingRules, at_once: int) -> None:
        self._rules = rules
        self._context = rules.context()
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None  # made on the loop that uses it

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ProviderAnswer:
        """`url` as it is, already encoded. Raises NotArrived, NoAnswer."""
        progress = _Progress()
        try:
            return await self._post(url, headers, body, progress)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            if progress.written:
                raise NoAnswer(fault_of(error)) from error
            raise NotArrived(fault_of(error)) from error

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, progress: _Progress) -> ProviderAnswer:
        session = self._opened()
        asked = session.post(
            URL(url, encoded=True), data=body, headers=headers, allow_redirects=False, trace_request_ctx=progress
        )
        async with asked as answer:
            content = await _read_some(answer)
            said = answer.headers
            wait = retry_after_of(said.get("Retry-After", ""))
            return ProviderAnswer(answer.status, content, wait, said.get("Location", ""))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._open()
        return self._session

    def _open(self) -> aiohttp.ClientSession:
        rules = self._rules
        connector = aiohttp.TCPConnector(
            resolver=BoundedNames(rules.resolve or SystemNames().resolve, RESOLVE_SECONDS),
            socket_factory=self._make_socket,
            use_dns_cache=False,
            keepalive_timeout=KEPT_SECONDS,
            limit=self._at_once,
            ssl=self._context,
        )
        timeout = aiohttp.ClientTimeout(
            total=rules.total_seconds, sock_connect=CONNECT_SECONDS, ceil_threshold=rules.total_seconds + 1
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_written)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            trust_env=False,
            auto_decompress=False,
            headers={"User-Agent": f"edge/{__version__}", "Accept-Encoding": "identity"},
            trace_configs=[tracing],
        )

    def _make_socket(self, found: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = found
        fault = address_fault(address[0], self._rules.allowed, ALLOWED_OPTION)
        if fault:
            raise OSError(fault)
        return socket.socket(family, kind, protocol)


async def _note_written(_session: object, context: Any, _params: object) -> None:
    context.trace_request_ctx.written = True


async def _read_some(answer: aiohttp.ClientResponse) -> bytes:
    """A body that breaks off, or is too long, does not change what the status says."""
    content = b""
    try:
        while len(content) < ANSWER_LIMIT_BYTES and (more := await answer.content.read(ANSWER_LIMIT_BYTES)):
            content += more
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError):
        return b""
    if not answer.content.at_eof():
        answer.close()
    return content[:ANSWER_LIMIT_BYTES]

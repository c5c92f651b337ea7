"""One message to one address, once: no redirect, no proxy, no cookie, an end to every phase, and little read.

The address is judged when the socket is made, whatever name or notation led to it: a name that is resolved again to
somewhere else gets nowhere.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from edge import __version__
from edge.messages.addresses import IPNetwork, address_fault

READ_LIMIT_BYTES = 4_096  # of an answer: enough for its reason
SAID_LIMIT = 1_000  # characters of it that are shown
RETRY_AFTER_LIMIT_SECONDS = 3_600.0
RESOLVER_THREADS = 4  # a resolver that hangs holds these alone
DETAIL_LIMIT = 200  # characters of what a library says
REDIRECTED = "redirects are not followed: name the address that takes messages"

Resolve = Callable[[str, int], Awaitable[Sequence[tuple[Any, ...]]]]  # as socket.getaddrinfo answers


class Phases(NamedTuple):
    """The longest time of each, in seconds: the name, the connection with its handshake, silence before the answer, the
    answer's body, and all but that together."""

    resolve: float = 5.0
    connect: float = 5.0
    silence: float = 10.0
    body: float = 3.0
    total: float = 20.0


ORDINARY_PHASES = Phases()


class ReceiverAnswer(NamedTuple):
    """What came of it. `status` is 0 without an answer; `fault` is empty if the message was taken; `text` is the
    beginning of the answer, printable; `retry_after_seconds` is what the receiver asks for, bounded."""

    status: int
    fault: str
    text: str = ""
    retry_after_seconds: float = 0.0


class Sender:
    """`allowed` are networks beyond the public internet. `context` verifies certificates, the system's by default."""

    def __init__(
        self,
        allowed: Sequence[IPNetwork] = (),
        phases: Phases = ORDINARY_PHASES,
        *,
        allow_http: bool = False,
        resolve: Resolve | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._phases = phases
        self._allow_http = allow_http
        self._resolve = resolve or SystemNames().resolve
        self._context = context

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        """Never raises for what the other side, the network or its names do."""
        if not self._allow_http and not url.startswith("https:"):
            return ReceiverAnswer(0, "it is not https, and webhooks.allow_http is not set")
        refused: list[str] = []
        try:
            async with self._session(refused) as session:
                return await self._post(session, url, headers, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return ReceiverAnswer(0, refused[0] if refused else fault_of(error))

    def _session(self, refused: list[str]) -> aiohttp.ClientSession:
        def make_socket(found: tuple[Any, ...]) -> socket.socket:
            family, kind, protocol, _, address = found
            fault = address_fault(address[0], self._allowed)
            if fault:
                refused.append(fault)
                raise OSError(fault)
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(
            resolver=BoundedNames(self._resolve, self._phases.resolve),
            socket_factory=make_socket,
            use_dns_cache=False,
            force_close=True,
            ssl=self._context or True,
            happy_eyeballs_delay=None,  # one after another: a receiver is asked once
        )
        phases = self._phases
        timeout = aiohttp.ClientTimeout(
            total=phases.total, sock_connect=phases.connect, sock_read=phases.silence, ceil_threshold=phases.total + 1
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            trust_env=False,
            auto_decompress=False,
            headers={"User-Agent": f"edge/{__version__}", "Accept-Encoding": "identity"},
        )

    async def _post(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes
    ) -> ReceiverAnswer:
        sent = {**headers, "Content-Type": "application/json"}
        async with session.post(URL(url, encoded=True), data=body, headers=sent, allow_redirects=False) as answer:
            text = await _read_some(answer, self._phases.body)
            answer.close()
            fault = "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
            if 300 <= answer.status < 400:
                fault += f"; {REDIRECTED}"
            return ReceiverAnswer(answer.status, fault, text, retry_after_of(answer.headers.get("Retry-After", "")))


class BoundedNames(AbstractResolver):
    """Names for aiohttp, with an end to waiting."""

    def __init__(self, resolve: Resolve, seconds: float) -> None:
        self._resolve, self._seconds = resolve, seconds

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        async with asyncio.timeout(self._seconds):
            found = await self._resolve(host, port)
        return [
            ResolveResult(
                hostname=host, host=address[0], port=port, family=family, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        return None


class SystemNames:
    """The system's resolver, in threads of its own: those of the process have more urgent work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, "names")

    async def resolve(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        loop = asyncio.get_running_loop()
        kind = socket.SOCK_STREAM
        return await loop.run_in_executor(self._threads, lambda: socket.getaddrinfo(host, port, type=kind))


async def _read_some(answer: aiohttp.ClientResponse, seconds: float) -> str:
    """The beginning of the body, as printable text. One that drips, or that breaks off, says nothing."""
    content = b""
    try:
        async with asyncio.timeout(seconds):
            while len(content) < READ_LIMIT_BYTES and (more := await answer.content.read(READ_LIMIT_BYTES)):
                content += more
    except (aiohttp.ClientError, OSError):
        pass
    text = content[:READ_LIMIT_BYTES].decode("utf-8", "replace")
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:SAID_LIMIT]


def retry_after_of(text: str) -> float:
    """Seconds; 0.0 for a date and for what is no number."""
    return min(float(text), RETRY_AFTER_LIMIT_SECONDS) if text.isascii() and text.isdigit() else 0.0


def fault_of(error: Exception) -> str:
    """In words that show nothing of the address but its host."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is refused: {_detail(error.certificate_error)}"
        case aiohttp.ClientConnectorDNSError():
            return "its host has no address"
        case aiohttp.ClientConnectorError():
            return f"no connection: {_detail(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case TimeoutError():
            return "it did not answer in time"
        case aiohttp.ClientResponseError():
            return f"its answer is not HTTP: {_detail(error.message)}"
    return f"it cannot be reached: {_detail(error)}"


def _detail(said: object) -> str:
    reason = getattr(said, "strerror", None) or str(said)
    return " ".join("".join(each if each.isprintable() else " " for each in reason).split())[:DETAIL_LIMIT]

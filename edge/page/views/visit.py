"""What a view gets, and what it gives back.

A view is `async def show_channel(visit: Visit) -> Shown`; its module lists `ROUTES`. It asks the operations of the API
by name and renders nothing itself. What it cannot read, it shows as an `Unread` in that place: each part of a page
fails alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec
from multidict import MultiMapping

from edge.control.access.grants import Grant
from edge.control.doors.inner_api import InnerApi
from edge.control.shapes.channels import ChannelView
from edge.domain.errors import EdgeError
from edge.page.views.remembering import COUNTED, REMEMBERED_SECONDS, AnswerMemory

T = TypeVar("T")

OF_KNOWN_DEVICES = frozenset(
    {
        "list_devices",
        "show_segments_reach",
        "count_segment",
        "explain_device",
        "show_features_reach",
        "show_features_of_device",
    }
)
PART_SECONDS = 10.0  # for one answer; what takes longer is shown as not read


@dataclass(slots=True)
class Looked:
    """What a page shows was counted for whoever asked at `oldest` or later, in seconds since the epoch."""

    oldest: float = float("inf")


class Crumb(NamedTuple):
    """One step of "where you are"; the last one has no address."""

    label: str
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """In place of an answer that could not be had: the stable code and the message of the refusal."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a view shows. `title` is without the ending " · edge". `values` are the template's, beside those of the
    frame. Without `crumbs` the address says where the page is."""

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    crumbs: Sequence[Crumb] | None = None
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One authorised look at a page. `parts` are those of the address, decoded; `now` is in seconds since the epoch;
    `path` is the address without its query, as it was asked for, `address` with it. Without a `memory` nothing that is
    shown was asked for before."""

    inner: InnerApi
    grant: Grant
    name: str
    path: str
    parts: Mapping[str, str]
    query: MultiMapping[str]
    now: float
    address: str
    memory: AnswerMemory | None = None
    looked: Looked = field(default_factory=Looked)

    @property
    def as_of(self) -> float:
        """When what is counted on the page was asked for, in seconds since the epoch."""
        return min(self.now, self.looked.oldest)

    async def ask(
        self,
        name: str,
        parts: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """The answer of an operation, about the parts of the page's own address if none are given. Raises EdgeError."""
        about = self.parts if parts is None else parts
        async with asyncio.timeout(PART_SECONDS):
            if self.memory is None or name not in REMEMBERED_SECONDS or not self.allows(name, about.get("app")):
                answer = await self.inner.ask(self.grant, name, about, query, body)
                if name in OF_KNOWN_DEVICES:
                    self.looked.oldest = min(self.looked.oldest, self.inner.devices_as_of(about["app"], self.now))
                return answer
            return await self._recall(self.memory, name, about, query or {})

    async def _recall(self, memory: AnswerMemory, name: str, parts: Mapping[str, str], query: Mapping[str, str]) -> Any:
        whose = self.grant.holds
        about = frozenset(parts.items()), frozenset(query.items()), self.inner.known_heads(parts.get("app"))
        found = await memory.answer(
            name, (whose, about), self.now, lambda: self.inner.ask(self.grant, name, parts, query)
        )
        if name in COUNTED:
            self.looked.oldest = min(self.looked.oldest, found.at)
        return found.value

    async def attempt(
        self,
        name: str,
        parts: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """As `ask`, with an `Unread` instead of a refusal."""
        try:
            return await self.ask(name, parts, query, body)
        except EdgeError as error:
            return Unread(code=error.code, message=error.message)
        except TimeoutError:
            return Unread(code="timeout", message=f"no answer within {PART_SECONDS:g} s")

    async def decoded(self, answer: Any, kind: type[T]) -> T:
        """The value of an answer that its operation has encoded, since it may have thousands of rows."""
        if isinstance(answer, kind):
            return answer
        return await asyncio.to_thread(msgspec.json.decode, bytes(answer), type=kind)

    def allows(self, name: str, app: str | None = None, channel: str | None = None) -> bool:
        """Whether the visitor's roles permit the operation, for the page's own app and channel if none are given."""
        return self.inner.allows(self.grant, name, app or self.parts.get("app"), channel or self.parts.get("channel"))

    def allows_on(self, channel: ChannelView, app: str | None = None) -> Callable[[str], bool]:
        """Of an operation, whether the visitor's roles permit it on this channel of the page's own app, or of another:
        who may change test channels may not on others."""
        test, where = channel.test and not channel.public, app or self.parts.get("app")
        return lambda name: self.inner.allows(self.grant, name, where, channel.name, test=test)

    def allows_on_node(self, name: str) -> bool:
        """The same of what concerns no app, whichever app the page is of."""
        return self.inner.allows(self.grant, name, None, None)


View = Callable[[Visit], Awaitable[Shown]]


class PageRoute(NamedTuple):
    """One address. `name` is the page's in the side navigation: overview, app, channel, experiment, segments, device,
    bundles, history, nodes, or another that is not listed there."""

    path: str
    name: str
    view: View

"""An app's revisions from the source, verified by the digests that lead from a signed head back to the known revision.

What does not lead there is a fork: two histories of one app, of which a follower never takes the second.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.model import AppId, Digest
from edge.regions.source import SourceLost, TruthSource
from edge.store.heads import Head
from edge.store.revision_document import REVISION_FORMAT, REVISION_LIMIT_BYTES, number_before
from edge.store.stored_document import Untrusted, check_digest, parse_document

FORKED = "forked_history"
KEPT_REVISIONS = 10  # of an app in the copy: its history there, and what is served while the latest is damaged
IDLE_SECONDS = 20.0  # a source that sends no revision for so long is lost
READ_HERE_BYTES = 64 * 1024  # of a revision: hashed and read in 0.2 ms, which a thread costs, too
OVERTAKEN_BY = 50_000  # revisions of one app read in one go; more is no outage


class ChainedRevision(NamedTuple):
    """A verified revision."""

    number: int
    digest: Digest
    content: bytes


class _Link(msgspec.Struct):
    format: int
    app: AppId
    revision: int
    previous: Digest | None
    jumped_from: int | UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Link)


async def read_chain(
    source: TruthSource, app: AppId, head: Head, known: Head | None, *, accepted: bool = False
) -> list[ChainedRevision]:
    """The newest of the revisions after `known`, from `head` down; at most KEPT_REVISIONS. All are verified. `known`
    None: only the head's, which its signature vouches for. `accepted`: an operator accepted a store that went back, so
    the known revision need not be among those before.

    Raises SourceLost, Untrusted `forked_history`, `bad_digest`, `newer_format`, `misplaced_document`.
    """
    if known is not None and known.revision >= head.revision:
        if known != head and not accepted:
            raise _forked(app, head, known)
        known = None
    after = known.revision if known is not None else head.revision - 1
    number, wanted = head.revision, head.digest
    found: list[ChainedRevision] = []
    async with _ending(source.revisions(app, head, after)) as revisions:
        for _ in range(OVERTAKEN_BY):
            content = await _next(revisions, app, number)
            if len(content) <= READ_HERE_BYTES:
                before, previous = _link(content, app, number, wanted)
            else:
                before, previous = await asyncio.to_thread(_link, content, app, number, wanted)
            if len(found) < KEPT_REVISIONS:
                found.append(ChainedRevision(number, wanted, content))
            number, wanted = before, previous or Digest("")
            if number <= after:
                break
    if known is not None and not accepted and (number, wanted) != (known.revision, known.digest):
        raise _forked(app, head, known)
    return found


def _forked(app: AppId, head: Head, known: Head) -> Untrusted:
    return Untrusted(
        FORKED,
        f"app {app!r}: revision {head.revision} does not follow revision {known.revision}, which this node has: the "
        "source has another history",
    )


@asynccontextmanager
async def _ending(revisions: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Tells the source when no more is wanted."""
    try:
        yield revisions
    finally:
        if isinstance(revisions, AsyncGenerator):
            await revisions.aclose()


async def _next(revisions: AsyncIterator[bytes], app: AppId, number: int) -> bytes:
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            content = await anext(revisions)
    except StopAsyncIteration as error:
        raise SourceLost("source_lost", f"the source ends before revision {number} of app {app!r}") from error
    except TimeoutError as error:
        raise SourceLost("source_lost", f"the source sends no revision {number} of app {app!r}") from error
    if len(content) > REVISION_LIMIT_BYTES:
        raise Untrusted("bad_digest", f"revision {number} of app {app!r} exceeds {REVISION_LIMIT_BYTES} bytes")
    return content


def _link(content: bytes, app: AppId, number: int, digest: Digest) -> tuple[int, Digest | None]:
    """The number and the digest of the revision before."""
    what = f"revision {number} of app {app!r}"
    link = parse_document(check_digest(content, digest, what), _decoder, REVISION_FORMAT, what)
    if (link.app, link.revision) != (app, number):
        raise Untrusted("misplaced_document", f"{what} contains revision {link.revision} of app {link.app!r}")
    return number_before(what, number, link.previous, link.jumped_from), link.previous

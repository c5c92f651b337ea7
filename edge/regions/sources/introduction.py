"""What a node that is about to follow another one asks it first: who it is, by which root, and whether the token is one
to follow with. Nothing is written, and whatever is wrong is said before anything is.
"""

from email.utils import parsedate_to_datetime
from typing import NamedTuple

import msgspec

from edge.domain.errors import Forbidden, Invalid, Unavailable
from edge.regions.source import SourceLost
from edge.regions.sources.node import NodeSource
from edge.regions.upstream import Upstream
from edge.store.key_set import KEY_SET_KEY
from edge.store.keys.key_document import fingerprint_of, open_key_set, peek_key_set, unbase64
from edge.store.signing import key_id_of

# A node goes by its own clock: rollouts take their steps by it, and releases count as stale after 15 minutes.
CLOCK_LIMIT_SECONDS = 300.0
NODE_ROLE = "node"


class Introduction(NamedTuple):
    """`root` is the key that is to be pinned; `expires` of the token is in seconds since the epoch, None: never."""

    store: str
    root: str
    token: str
    expires: float | None


class _Token(msgspec.Struct):
    name: str
    role: str
    expires: float | None


async def introduce(upstream: Upstream, root: str, now: float) -> Introduction:
    """Of the node at `upstream`; `root` is the beginning of a root's fingerprint, "" takes the one that it states.
    `now` in seconds since the epoch. Raises EdgeError."""
    token = await _own_token(upstream, now)
    if token.role != NODE_ROLE:
        reason = f"token {token.name!r} has role {token.role}: make one with `edge token create NAME --role node`"
        raise Forbidden("no_node_token", reason)
    content = await _key_set(upstream)
    key_set = peek_key_set(content)
    publics = [unbase64(each.public) for each in key_set.chain]
    pinned = next((each for each in publics if fingerprint_of(each).startswith(root or key_set.root)), None)
    if pinned is None:
        reason = (
            f"the releases of {upstream.name} are signed for by root {key_set.root}, not by {root}: this is another "
            "store, or somebody is in between; compare with `edge keys show` on the origin"
        )
        raise Invalid("unknown_root", reason)
    open_key_set(content, "", pinned)
    return Introduction(key_set.store, key_id_of(pinned), token.name, token.expires)


async def _own_token(upstream: Upstream, now: float) -> _Token:
    answer = await upstream.request("GET", "/v1/token")
    try:
        there = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except ValueError:
        there = now
    off = now - there
    if abs(off) > CLOCK_LIMIT_SECONDS:
        way = "ahead of" if off > 0 else "behind"
        reason = f"this machine's clock is {abs(off):.0f} s {way} the one of {upstream.name}: set it, then join"
        raise Unavailable("wrong_clock", reason)
    try:
        return msgspec.json.decode(answer.content, type=_Token)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceLost("unexpected_answer", f"{upstream.name} is no node's control port") from error


async def _key_set(upstream: Upstream) -> bytes:
    documents = await NodeSource(upstream).documents({})
    content = next((each.content for each in documents if each.key == KEY_SET_KEY), b"")
    if not content:
        raise Unavailable("no_key_set", f"{upstream.name} has no key set yet: start its origin first")
    return content

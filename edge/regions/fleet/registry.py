"""Which nodes there are: whose token speaks for which node, and in which region each is. Durable.

A token speaks for one node, the first that used it, and a node is spoken for by one token: who has stolen a region's
token can speak for that region and for no other. The token's name is what people call the node. One process of the home
node has a registry; every change reads the file again under a lock, so its successor in a restart loses none.
"""

import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from edge.store.disk.durable_files import FILE_MODE, replace_file
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside
from edge.telemetry.spool.spool import is_node_id

REGISTRY_FORMAT = 1
NODES_LIMIT = 1_024  # each is some series of metrics and a row of the page
NODE_SHOWN_LIMIT = 64  # characters of an id that an error repeats
_LOST = "each token speaks again for the node that uses it next"

log = logging.getLogger("edge.node")


class RegisteredNode(msgspec.Struct, frozen=True, kw_only=True):
    """`node` is the id in its data directory, `name` its token's name, `since` its first report in seconds since the
    epoch."""

    node: str
    name: str
    region: str = ""
    since: float = 0.0


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    nodes: list[RegisteredNode]


_decoder = msgspec.json.Decoder(_Document)


class NodeRegistry:
    """In the file `path`. `own` is this node's id and its region: no token speaks for it. Safe among threads."""

    def __init__(
        self,
        path: Path,
        own: str,
        own_region: str = "",
        *,
        is_token: Callable[[str], bool] = lambda name: True,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`is_token`: whether a token of that name exists; it reads memory only."""
        self._path, self._own, self._own_region = path, own, own_region
        self._is_token, self._clock = is_token, clock
        self._lock = threading.Lock()
        self._nodes = {each.node: each for each in self._read_at_start()}
        self._by_name = {each.name: each.node for each in self._nodes.values()}

    def admit(self, token_name: str, node: str) -> None:
        """Return if this token speaks for this node; the first time, once that is durable. Reads memory only after the
        first time; the first blocks. Raises Forbidden `own_node`, `other_node`, Invalid `invalid_node`, Conflict
        `too_many_nodes`, Unavailable `nodes_unavailable`."""
        known = self._nodes.get(node)
        if known is not None and known.name == token_name:
            return
        if not is_node_id(node):
            raise Invalid(
                "invalid_node", f"invalid node id {node[:NODE_SHOWN_LIMIT]!r}: use the one of its data directory"
            )
        if node == self._own:
            raise Forbidden("own_node", "this node itself has that id: a copied data directory is no second node")
        self._change(lambda nodes: self._with(nodes, token_name, node))

    def region_of(self, node: str) -> str:
        """Where the node said that it is; "" for one that is not known or did not say. Reads memory only."""
        if node == self._own:
            return self._own_region
        known = self._nodes.get(node)
        return known.region if known is not None else ""

    def place(self, node: str, region: str) -> None:
        """The node is in this region; blocks if that is news. Raises Unavailable `nodes_unavailable`."""
        known = self._nodes.get(node)
        if known is None or known.region == region:
            return
        moved = msgspec.structs.replace(known, region=region)
        self._change(lambda nodes: nodes | {node: moved} if node in nodes else nodes)

    def named(self, name: str) -> RegisteredNode:
        """By its name or its id. Raises NotFound `unknown_node`."""
        found = self._nodes.get(self._by_name.get(name, name))
        if found is None:
            raise NotFound("unknown_node", f"unknown node {name[:NODE_SHOWN_LIMIT]!r}; see: edge node list")
        return found

    def is_shut_out(self, node: RegisteredNode) -> bool:
        """Its token was revoked. Reads memory only."""
        return not self._is_token(node.name)

    def nodes(self) -> list[RegisteredNode]:
        """By name."""
        return sorted(self._nodes.values(), key=lambda each: each.name)

    def forget(self, name: str) -> RegisteredNode:
        """The node is not known any more, and its token free for another one. Blocks. Raises NotFound `unknown_node`,
        Unavailable `nodes_unavailable`."""
        gone = self.named(name)
        self._change(lambda nodes: {each: found for each, found in nodes.items() if each != gone.node})
        return gone

    def _with(self, nodes: dict[str, RegisteredNode], token: str, node: str) -> dict[str, RegisteredNode]:
        left = nodes
        for each in nodes.values():
            if (each.name == token) == (each.node == node):
                continue
            if each.name != token and not self._is_token(each.name):
                left = {one: found for one, found in left.items() if one != node}  # its token was revoked
                continue
            whose = (
                f"token {token!r} speaks for node {each.node}"
                if each.name == token
                else f"node {node} has another token"
            )
            raise Forbidden("other_node", f"{whose}; if that node is gone: edge node forget {each.name}")
        if len(left) >= NODES_LIMIT and node not in left:
            gone = "forget those that are gone (edge node forget)"
            raise Conflict("too_many_nodes", f"{NODES_LIMIT} nodes report here, which is the limit; {gone}")
        region = nodes[node].region if node in nodes else ""
        return left | {node: RegisteredNode(node=node, name=token, region=region, since=self._clock())}

    def _change(self, edit: Callable[[dict[str, RegisteredNode]], dict[str, RegisteredNode]]) -> None:
        with self._lock, self._file_lock():
            nodes = edit({each.node: each for each in self._read()})
            document = _Document(format=REGISTRY_FORMAT, nodes=list(nodes.values()))
            scratch = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.new")
            try:
                replace_file(self._path, msgspec.json.encode(document), scratch)
            except OSError as error:
                raise Unavailable("nodes_unavailable", f"cannot write {self._path}: {error.strerror}") from error
            self._nodes, self._by_name = nodes, {each.name: each.node for each in nodes.values()}

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        try:
            fd = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise Unavailable("nodes_unavailable", f"cannot lock {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _read_at_start(self) -> list[RegisteredNode]:
        try:
            return self._read()
        except Unavailable as error:  # devices are served all the same, and nothing is written over it
            log.error("no node is known, and none can report: %s", error)
            return []

    def _read(self) -> list[RegisteredNode]:
        try:
            document = _decoder.decode(read_own_file(self._path))
        except FileNotFoundError:
            return []
        except (Damaged, msgspec.DecodeError, UnicodeDecodeError) as error:
            set_aside(self._path, str(error), _LOST)
            return []
        except OSError as error:
            raise Unavailable("nodes_unavailable", f"cannot read {self._path}: {error.strerror}") from error
        if document.format != REGISTRY_FORMAT:
            raise Unavailable("nodes_unavailable", f"a newer release wrote {self._path}: upgrade this node")
        return document.nodes

"""What every node said last, beside what this node has: the rows of `edge node list`. In memory, now and then on disk.

How far a node is behind is told by this node's clock alone: how many changes it lacked when it reported, and since when
this node has had the first of them. A node that does not report keeps its last row, with the time it was heard of.
"""

import asyncio
import logging
import secrets
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from edge.regions.fleet.judging_nodes import OF_TWO, own_troubles
from edge.regions.fleet.node_report import NodeReport, NodeWelcome
from edge.regions.fleet.node_row import NodeRow
from edge.regions.fleet.registry import NodeRegistry, RegisteredNode
from edge.regions.fleet.starts import StartsHeard
from edge.store.disk.durable_files import replace_file
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside

HEARD_FORMAT = 1
KEPT_SECONDS = 30.0  # between two writings of what was heard: after a restart a row is so much older at most
WATCH_SECONDS = 1.0  # between two looks at this node's own changes
HISTORY_LIMIT = 4_096  # changes whose time is known: for one beyond them, the time is "at least"

log = logging.getLogger("edge.node")


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    node: str
    heard: float
    report: NodeReport


class _HeardDocument(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    heard: list[_Kept]


_decoder = msgspec.json.Decoder(_HeardDocument)


class KnownNodes:
    """For one event loop. `own` makes this node's own report; `changes` counts what it has, as `NodeReport.changes`."""

    def __init__(
        self,
        registry: NodeRegistry,
        path: Path,
        own: Callable[[], Awaitable[tuple[RegisteredNode, NodeReport]]],
        changes: Callable[[], int],
        *,
        net_key: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.registry = registry
        self._path, self._own, self._changes = path, own, changes
        self._net_key, self._clock = net_key, clock
        self._heard: dict[str, _Kept] = {each.node: each for each in self._read()}
        self._starts: dict[str, StartsHeard] = {}
        self._history = deque[tuple[int, float]](maxlen=HISTORY_LIMIT)  # (changes, since when), both rising
        self._unwritten = False

    async def hear(self, token_name: str, node: str, report: NodeReport) -> NodeWelcome:
        """Take a report for the rows. Raises what `NodeRegistry.admit` raises."""
        await asyncio.to_thread(self.registry.admit, token_name, node)  # the first time, it writes
        if self.registry.region_of(node) != report.region:
            await asyncio.to_thread(self.registry.place, node, report.region)
        self.note_changes()
        self._heard[node] = _Kept(node=node, heard=self._clock(), report=report)
        self._unwritten = True
        was_of_two = self.is_of_two(node)
        self._starts[node] = self._starts.get(node, StartsHeard()).after(report.start, self._clock())
        if self.is_of_two(node) and not was_of_two:
            log.error("node %s (%s): %s", token_name, node, OF_TWO)
        trouble = "; ".join(own_troubles(self._row(self.registry.named(node))))
        return NodeWelcome(name=token_name, net_key=self._net_key, trouble=trouble)

    def is_of_two(self, node: str) -> bool:
        """Whether two nodes report with this id, so that what one says of its reports is not true of the other's."""
        heard = self._starts.get(node)
        return heard is not None and heard.are_of_two(self._clock())

    async def rows(self) -> list[NodeRow]:
        """This node's first, then by name."""
        self.note_changes()
        known, report = await self._own()
        own = NodeRow(known, report, self._clock(), own=True)
        return [own, *(self._row(each) for each in self.registry.nodes())]

    async def row(self, name: str) -> NodeRow:
        """By name or id. Raises NotFound `unknown_node`."""
        for each in await self.rows():
            if name in (each.known.name, each.known.node):
                return each
        return self._row(self.registry.named(name))

    async def forget(self, name: str) -> RegisteredNode:
        """Raises what `NodeRegistry.forget` raises."""
        gone = await asyncio.to_thread(self.registry.forget, name)
        self._heard.pop(gone.node, None)
        self._starts.pop(gone.node, None)
        self._unwritten = True
        return gone

    def note_changes(self) -> None:
        """Remember since when this node has what it has now."""
        total = self._changes()
        if not self._history or total > self._history[-1][0]:
            self._history.append((total, self._clock()))

    async def run(self) -> None:
        """Until cancelled: note changes as they come, and keep on disk what was heard."""
        due = self._clock() + KEPT_SECONDS
        try:
            while True:
                await asyncio.sleep(WATCH_SECONDS)
                self.note_changes()
                if self._clock() >= due:
                    due = self._clock() + KEPT_SECONDS
                    await asyncio.to_thread(self.keep)
        finally:
            self.keep()

    def keep(self) -> None:
        """Write what was heard since, if anything was. Blocks. A disk that cannot be written is logged."""
        if not self._unwritten:
            return
        known = {each.node for each in self.registry.nodes()}
        heard = [each for each in list(self._heard.values()) if each.node in known]
        scratch = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.new")
        try:
            replace_file(self._path, msgspec.json.encode(_HeardDocument(format=HEARD_FORMAT, heard=heard)), scratch)
        except OSError as error:
            log.warning("what nodes reported is not kept over a restart: %s", error)
        self._unwritten = False

    def _row(self, known: RegisteredNode) -> NodeRow:
        kept, shut_out = self._heard.get(known.node), self.registry.is_shut_out(known)
        if kept is None:
            return NodeRow(known, None, None, shut_out=shut_out)
        lacks = max(0, self._history[-1][0] - kept.report.changes) if self._history else 0
        since = self._since(kept.report.changes) if lacks else 0.0
        return NodeRow(
            *(known, kept.report, kept.heard, lacks, since), shut_out=shut_out, of_two=self.is_of_two(known.node)
        )

    def _since(self, changes: int) -> float:
        """For how many seconds this node has had the first change beyond `changes`."""
        first = bisect_right(self._history, changes, key=lambda each: each[0])
        return max(0.0, self._clock() - self._history[first][1])

    def _read(self) -> list[_Kept]:
        """Nothing of a file that is missing, damaged or of another release: nodes report again in seconds."""
        try:
            document = _decoder.decode(read_own_file(self._path))
        except FileNotFoundError:
            return []
        except (Damaged, msgspec.DecodeError, UnicodeDecodeError) as error:
            set_aside(self._path, str(error), "nodes report again in seconds")
            return []
        except OSError as error:
            log.warning("what nodes reported before the restart is not known: %s", error)
            return []
        return document.heard if document.format == HEARD_FORMAT else []

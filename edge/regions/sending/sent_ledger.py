"""Home's book of the nodes that send it their reports: until when it has all of each, and how their clocks go.

It is written now and then: what it says after a start is less than what it knew, never more.
"""

import logging
import secrets
from pathlib import Path

import msgspec

from edge.regions.sending.sent_words import AllSent
from edge.store.disk.durable_files import replace_file
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside

LEDGER_FORMAT = 1
NODES_LIMIT = 1_024  # as many as may report
WRITE_SECONDS = 60.0  # between two writes of what only moves on

log = logging.getLogger("edge.regions")


class SentOfNode(msgspec.Struct, frozen=True, kw_only=True):
    """`heard_ms` is when it last said so, by home's clock; the rest is as of `AllSent`. `all_until_ms` never goes back
    while home keeps what it has."""

    node: str
    all_until_ms: int = 0
    heard_ms: int = 0
    clock_off_ms: int = 0
    waiting_bytes: int = 0
    refused: int = 0
    erased_until_ms: int = 0


class _LedgerDocument(msgspec.Struct):
    format: int
    nodes: list[SentOfNode]


class SentLedger:
    """In the file `path`; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_ms = 0
        self._nodes: dict[str, SentOfNode] = {}
        try:
            found = msgspec.json.decode(read_own_file(path), type=_LedgerDocument)
            if found.format == LEDGER_FORMAT:
                self._nodes = {each.node: each for each in found.nodes[:NODES_LIMIT]}
        except FileNotFoundError:
            pass
        except (Damaged, msgspec.DecodeError, UnicodeDecodeError) as error:
            set_aside(path, str(error), "until each node reports again, no release goes on without those that do")

    def nodes(self) -> list[SentOfNode]:
        """By id."""
        return [self._nodes[node] for node in sorted(self._nodes)]

    def meet(self, node: str, now_ms: int) -> None:
        """It sends here, from now on; durable when it returns the first time. Blocks. Raises OSError."""
        if node not in self._nodes and len(self._nodes) < NODES_LIMIT:
            self._put(SentOfNode(node=node, heard_ms=now_ms), now_ms, write=True)

    def note(self, node: str, said: AllSent, now_ms: int) -> None:
        """What it says, at `now_ms` by this node's clock: it cannot have sent what comes later. Blocks. Raises OSError,
        and has noted it all the same."""
        before = self._nodes.get(node)
        until_ms = max(min(said.until_ms, now_ms), before.all_until_ms if before else 0)
        found = SentOfNode(
            node=node,
            all_until_ms=until_ms,
            heard_ms=now_ms,
            clock_off_ms=said.now_ms - now_ms,
            waiting_bytes=said.waiting_bytes,
            refused=said.refused,
            erased_until_ms=max(min(said.erased_until_ms, now_ms), before.erased_until_ms if before else 0),
        )
        self._put(found, now_ms, write=before is None)

    def forget(self, node: str, now_ms: int) -> None:
        """No release waits for it any more, until it sends again. Blocks. Raises OSError."""
        if self._nodes.pop(node, None) is not None:
            self._write(now_ms)

    def _put(self, found: SentOfNode, now_ms: int, *, write: bool) -> None:
        self._nodes[found.node] = found
        if write or not 0 <= now_ms - self._written_ms < WRITE_SECONDS * 1000:
            self._write(now_ms)

    def _write(self, now_ms: int) -> None:
        scratch = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        replace_file(self._path, msgspec.json.encode(_LedgerDocument(LEDGER_FORMAT, self.nodes())), scratch)
        self._written_ms = now_ms

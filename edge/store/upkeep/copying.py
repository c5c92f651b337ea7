"""Copies a store to another place, a directory or a bucket: what never changes first, then what refers to it.

Every blob and revision is proven by its name on the way. What the target has already is not sent again, so a copy that
was cut goes on where it ended. Signed documents are verified, and go last: the target is whole at every moment. What
has moved on at the target is never put back.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Conflict, Unavailable
from edge.store.disk.durable_files import FILE_MODE
from edge.store.disk.file_proof import hash_file
from edge.store.heads import SHARDS, Heads
from edge.store.key_set import KEY_SET_KEY, Trust
from edge.store.objects.port import AlreadyExists, Measured, ObjectStore, Stale, Stored, head_key, proven_digest
from edge.store.upkeep.survey import ReachPart
from edge.store.upkeep.verify import Counted

PREFIXES = "blobs/", "apps/"  # in this order: a revision refers to blobs
AT_ONCE = 8  # objects on their way: what a bucket far away needs to be busy
PIECE_BYTES = 1 << 20

OpenTrust = Callable[[ObjectStore], Trust]  # of the store's own key set


class CopiedStore(NamedTuple):
    """`sent` are objects that were copied, or would be; `there` those that the target had."""

    store: str
    sent: Counted
    there: Counted
    documents: int
    dry_run: bool


class StoreCopying:
    """One copy. `documents` are the keys of signed documents besides heads and the key set, each with what verifies it
    by a trust."""

    def __init__(
        self,
        source: ObjectStore,
        target: ObjectStore,
        open_trust: OpenTrust,
        documents: Mapping[str, Callable[[bytes, Trust], object]],
    ) -> None:
        self._source, self._target = source, target
        self._open_trust = open_trust
        self._documents = documents

    def run(self, *, dry_run: bool, reach: ReachPart) -> CopiedStore:
        """Raises Untrusted for a source that is not whole, Conflict `other_store` or `newer_target` where the target
        is another store, or has what the source has not. Blocks."""
        trust = self._open_trust(self._source)
        signed = self._signed(trust)  # before what they refer to is listed, so that all of it is
        self._check_target(trust, signed)
        sent, there = Counted(0, 0), Counted(0, 0)
        for prefix in PREFIXES:
            held = {each.key: each.bytes for each in self._target.measure(prefix)}
            found = list(self._source.measure(prefix))
            missing = [each for each in found if held.get(each.key) != each.bytes]
            there = _plus(there, _sum(each for each in found if held.get(each.key) == each.bytes))
            sent = _plus(sent, _sum(missing))
            if not dry_run:
                self._send(missing, prefix.rstrip("/"), reach)
        if not dry_run:
            for key, stored in signed.items():
                self._put(key, stored.data)
        return CopiedStore(trust.store_id, sent, there, len(signed), dry_run)

    def _signed(self, trust: Trust) -> dict[str, Stored]:
        """Verified, in the order in which they are written."""
        signed = {KEY_SET_KEY: self._get(KEY_SET_KEY)}
        for key, verify in self._documents.items():
            stored = self._source.get(key)
            if stored is not None:
                verify(stored.data, trust)
                signed[key] = stored
        known = Heads(self._source, trust)
        for name in SHARDS:
            shard = known.shard(name)
            if shard.tag is not None:
                signed[head_key(name)] = self._get(head_key(name))
        return signed

    def _check_target(self, trust: Trust, signed: Mapping[str, Stored]) -> None:
        if self._target.get(KEY_SET_KEY) is None:
            if any(True for _ in self._target.keys("heads/")):
                raise Conflict("other_store", f"{self._target} has heads and no key set: copy to an empty place")
            return
        there = self._open_trust(self._target)
        if there.store_id != trust.store_id:
            raise Conflict("other_store", f"{self._target} has store {there.store_id}, not {trust.store_id}")
        mine, theirs = Heads(self._source, trust), Heads(self._target, there)
        for name in SHARDS:
            if head_key(name) in signed and theirs.shard(name).shard.order > mine.shard(name).shard.order:
                raise Conflict(
                    "newer_target",
                    f"{self._target} has a newer head shard {name} than {self._source}: it is in use, or the copy goes "
                    "the wrong way",
                )

    def _send(self, objects: Iterable[Measured], stage: str, reach: ReachPart) -> None:
        wanted = list(objects)
        total, done = sum(each.bytes for each in wanted), 0
        with ThreadPoolExecutor(AT_ONCE, "copy") as threads:
            sending = {threads.submit(self._send_one, each.key): each for each in wanted}
            try:
                for each in as_completed(sending):
                    each.result()
                    done += sending[each].bytes
                    reach(stage, done, total)
            except BaseException:
                threads.shutdown(wait=True, cancel_futures=True)
                raise

    def _send_one(self, key: str) -> None:
        scratch = self._target.scratch()
        try:
            self._fetch(key, scratch)
            self._target.replace(key, scratch)
        finally:
            scratch.unlink(missing_ok=True)

    def _fetch(self, key: str, scratch: Path) -> None:
        with os.fdopen(self._source.open(key), "rb") as content:
            descriptor = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
            with os.fdopen(descriptor, "r+b") as target:
                shutil.copyfileobj(content, target, PIECE_BYTES)
                target.flush()
                digest = proven_digest(key)
                if digest is not None and hash_file(target.fileno()) != digest:
                    raise Unavailable("store_damaged", f"{key} was altered in {self._source}: run `edge store repair`")

    def _put(self, key: str, content: bytes) -> None:
        try:
            held = self._target.get(key)
            if held is None:
                self._target.create(key, content)
            elif held.data != content:
                self._target.swap(key, content, held.tag)
        except (AlreadyExists, Stale) as error:
            raise Conflict("newer_target", f"somebody writes to {self._target}: {key} has changed") from error

    def _get(self, key: str) -> Stored:
        stored = self._source.get(key)
        if stored is None:
            raise Unavailable("store_damaged", f"{key} is not in {self._source}")
        return stored


def _sum(objects: Iterable[Measured]) -> Counted:
    held = [each.bytes for each in objects]
    return Counted(len(held), sum(held))


def _plus(one: Counted, other: Counted) -> Counted:
    return Counted(one.files + other.files, one.bytes + other.bytes)

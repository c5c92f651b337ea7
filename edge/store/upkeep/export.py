"""Export a store while a node serves from it, and import it elsewhere.

Heads, keys and tokens are read first, then what they lead to: what is published meanwhile is not in the export. Every
byte is verified while it is written, and again while it is imported. A store that is older than what its node has seen
is not exported. A store is imported beside its place, verified there, and gets its name at last: a node finds all of it
or nothing.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from edge.domain.errors import Conflict, Forbidden, Invalid, Unavailable
from edge.domain.model import AppId, Digest
from edge.store.disk.durable_files import DIRECTORY_MODE, FILE_MODE, sync_directory
from edge.store.heads import OLDER, SHARDS, Head, Heads
from edge.store.key_set import KEY_SET_KEY, Trust, read_trust
from edge.store.objects.files import StoreFiles
from edge.store.objects.port import ObjectStore, Stored, blob_key, head_key, proven_digest
from edge.store.stored_document import Untrusted
from edge.store.upkeep.archive import (
    EXPORT_FORMAT,
    NEEDED_FILES,
    NODE_FILES,
    NODE_FOLDER,
    ExportBegin,
    ExportMember,
    ExportWriter,
    read_export,
)
from edge.store.upkeep.survey import ReachPart, Survey, survey_apps
from edge.store.upkeep.verify import SLACK_SECONDS, Counted, Opener, Verified

PIECE_BYTES = 1 << 20
IMPORTING = "store.importing"

Verify = Callable[[ObjectStore, Path], Verified]


class Exported(NamedTuple):
    store: str
    apps: int
    objects: Counted
    keys: bool


class StoreExport:
    """One export of a store. `documents` are the keys of signed documents besides heads and the key set."""

    def __init__(self, store: ObjectStore, node_dir: Path, documents: Mapping[str, Opener]) -> None:
        self._store = store
        self._node_dir = node_dir
        self._documents = documents

    def write(
        self, target: IO[bytes], *, now: float, retention_seconds: float, keys: bool, reach: ReachPart
    ) -> Exported:
        """Raises Unavailable `store_damaged`, NotFound if keys are wanted and missing. Blocks."""
        trust = self._trust()
        signed, heads = self._signed(trust)
        survey = Survey(self._store, now - retention_seconds + SLACK_SECONDS)
        survey_apps(survey, heads, reach)
        for each in survey.damages:
            if not each.kind.is_spare:
                raise _damaged(each.detail)
        node_files = _node_files(self._node_dir) if keys else {}
        writer = ExportWriter(target, ExportBegin(EXPORT_FORMAT, trust.store_id, now, keys))
        total = self._write_proven(writer, survey, reach)
        for key, content in signed.items():
            writer.add_bytes(key, content)
        for name, content in node_files.items():
            writer.add_bytes(NODE_FOLDER + name, content)
        writer.close()
        return Exported(trust.store_id, len(heads), Counted(total.files + len(signed), total.bytes), keys)

    def _trust(self) -> Trust:
        """Compares with what the node has seen: an old copy of the store would pass for a new backup."""
        try:
            return read_trust(self._store, self._node_dir, compare=True)
        except Untrusted as error:
            if error.code == OLDER:
                raise _damaged(error.message) from error
            raise

    def _signed(self, trust: Trust) -> tuple[dict[str, bytes], dict[AppId, Head]]:
        """The signed documents as they are now, verified, the heads last; and what the heads say."""
        signed, heads = {KEY_SET_KEY: self._get(KEY_SET_KEY).data}, {}
        for key, opener in self._documents.items():
            stored = self._store.get(key)
            if stored is not None:
                opener(stored.data)
                signed[key] = stored.data
        known = Heads(self._store, trust)
        for name in SHARDS:
            try:
                shard = known.shard(name)
            except Untrusted as error:
                raise _damaged(error.message) from error
            if shard.tag is not None:
                held = self._get(head_key(name))
                while (shard := known.shard(name)).tag != held.tag:
                    held = self._get(head_key(name))  # moved meanwhile
                signed[head_key(name)] = held.data
                heads.update(shard.shard.apps)
        return signed, heads

    def _get(self, key: str) -> Stored:
        stored = self._store.get(key)
        if stored is None:
            raise _damaged(f"{key} is missing")
        return stored

    def _write_proven(self, writer: ExportWriter, survey: Survey, reach: ReachPart) -> Counted:
        keys = [*survey.revisions, *(blob_key(digest) for digest in sorted(survey.blobs))]
        files, size = 0, 0
        for done, key in enumerate(keys, 1):
            digest = proven_digest(key)
            spare = key.startswith("blobs/") and survey.blobs[Digest(digest or "")].kind.is_spare
            if self._store.has(key):
                size += self._write_one(writer, key, digest)
                files += 1
            elif not spare:  # an undo is refused then, or a file sent whole
                raise _damaged(f"{key} is missing")
            reach("objects exported", done, len(keys))
        return Counted(files, size)

    def _write_one(self, writer: ExportWriter, key: str, digest: Digest | None) -> int:
        with os.fdopen(self._store.open(key), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            hashing = _Hashing(file)
            writer.add(key, size, hashing)
        if hashing.hexdigest() != digest:
            raise _damaged(f"{key} was altered")
        return size


def import_store(
    source: IO[bytes], store_dir: Path, node_dir: Path, verify: Verify, reach: ReachPart
) -> tuple[ExportBegin, Verified]:
    """Make the store of an export, and the node's keys if it has them and the node has none. Blocks.

    Raises Conflict `store_exists`, Forbidden `no_keys` for an export without keys where the node has none, Conflict
    `other_keys` for one with another node's; Untrusted and Invalid for what is not whole. Nothing is left behind then.
    """
    if store_dir.exists():
        raise Conflict("store_exists", f"{store_dir} is there already: import into an empty data directory")
    making = store_dir.with_name(IMPORTING)
    shutil.rmtree(making, ignore_errors=True)  # of an import that was cut
    making.mkdir(mode=DIRECTORY_MODE, parents=True)
    try:
        try:
            begin, keys = _unpack(source, making, reach)
        except tarfile.TarError as error:  # in the middle of a member
            raise Untrusted("cut_export", f"the export cannot be read to its end: {error}") from error
        _check_keys(keys, node_dir)
        verified = verify(StoreFiles(making), node_dir)
        wrong = [each.detail for each in verified.damages if not each.kind.is_spare]
        if wrong:
            raise Untrusted("unreadable_document", f"the export is not whole: {wrong[0]}")
        _write_keys(keys, node_dir)
        os.sync()
        making.rename(store_dir)
        sync_directory(store_dir.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return begin, verified


def _unpack(source: IO[bytes], making: Path, reach: ReachPart) -> tuple[ExportBegin, dict[str, bytes]]:
    begin, keys, size = None, {}, 0
    store = StoreFiles(making)
    for begin, member in read_export(source):  # noqa: B007 - it is the same each time
        if member.name.startswith(NODE_FOLDER):
            keys[_node_file(member.name)] = member.content.read()
        else:
            _write_member(store, member)
        size += member.size
        reach("imported", size, 0)
    if begin is None:
        raise Untrusted("cut_export", "the export is empty")
    return begin, keys


def _node_files(node_dir: Path) -> dict[str, bytes]:
    """The root's key and those of secrets are among them only if they are kept here. Raises FileNotFoundError."""
    there = [name for name in NODE_FILES if name in NEEDED_FILES or (node_dir / name).exists()]
    return {name: (node_dir / name).read_bytes() for name in there}


def _node_file(name: str) -> str:
    file = name.removeprefix(NODE_FOLDER)
    if file not in NODE_FILES:
        raise Invalid("not_an_export", f"{name!r} does not belong in an export")
    return file


def _write_member(store: StoreFiles, member: ExportMember) -> None:
    """Its name is a key of the store and nothing else. Raises Invalid, Untrusted `bad_digest`."""
    try:
        place = store.place(member.name)
    except ValueError as error:
        raise Invalid("not_an_export", f"{member.name!r} does not belong in an export") from error
    place.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    hashing = _Hashing(member.content)
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
        shutil.copyfileobj(hashing, file, PIECE_BYTES)
    if proven_digest(member.name) not in (None, hashing.hexdigest()):
        raise Untrusted("bad_digest", f"{member.name} was altered in the export")


def _check_keys(keys: Mapping[str, bytes], node_dir: Path) -> None:
    own = node_dir / NODE_FILES[0]
    if own.exists():
        if keys and own.read_bytes() != keys[NODE_FILES[0]]:
            raise Conflict(
                "other_keys", f"{own} is another node's key than the export's: import without it, or move it"
            )
    elif not keys:
        raise Forbidden(
            "no_keys",
            f"the export has no keys, and {own} is not there: without the key that signed this store no node can "
            "change it; export with --with-keys, or put the key there first",
        )


def _write_keys(keys: Mapping[str, bytes], node_dir: Path) -> None:
    node_dir.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    for name, content in keys.items():
        if not (node_dir / name).exists():
            with os.fdopen(os.open(node_dir / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
                file.write(content)


class _Hashing:
    """A reader that hashes what it reads."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hashing = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self._hashing.update(content)
        return content

    def hexdigest(self) -> str:
        return self._hashing.hexdigest()


def _damaged(what: str) -> Unavailable:
    return Unavailable("store_damaged", f"a damaged store is not exported ({what}): run `edge store verify`")

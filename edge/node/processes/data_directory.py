"""A node's data directory: its object store, its own key and id, and the paths of everything else that it keeps."""

import logging
import secrets
from contextlib import suppress
from pathlib import Path

from edge.node.processes.data_paths import DataPaths
from edge.store.disk.durable_files import create_file, replace_file
from edge.store.disk.room import Reserve, cannot_write
from edge.store.disk.set_aside import (
    Damaged,
    clear_for_directory,
    clear_for_file,
    clear_for_files,
    read_own_file,
    set_aside,
)
from edge.store.held_heads import HeldHeads
from edge.store.key_set import KEY_SET_KEY, Trust, open_trust
from edge.store.keys.pin import PIN_FILE
from edge.store.objects.fs import FsStore
from edge.store.objects.port import AlreadyExists, ObjectStore, StoreLost
from edge.store.objects.probe import probe
from edge.store.reading import ReleaseReader
from edge.store.releases import Releases
from edge.store.s3.bucket_place import BucketPlace
from edge.store.s3.bucket_releases import BucketReleases
from edge.store.s3.opening import open_bucket
from edge.store.s3.s3_store import S3Store
from edge.store.signing import load_or_create_writer
from edge.store.stored_document import Untrusted
from edge.telemetry.spool.spool import is_node_id

RESERVE_FILE = "reserve"
BUCKET_SHARDS_AT_ONCE = 8  # signed again: of a bucket that takes 10 s an answer, all in a minute
ID_DIGITS, KEY_DIGITS = 16, 32  # of words that are made

log = logging.getLogger("edge.store")


class OpenedDirectory(DataPaths):
    """What every node has opened of its data directory. `mirror` is the store on this node's disk, which devices are
    served from; `store` is where people read and change releases: the truth, or the mirror."""

    partial = False  # whether blobs that releases name may be elsewhere alone
    store: ObjectStore
    trust: Trust
    releases: ReleaseReader
    bucket: S3Store | None = None  # the truth, where it is elsewhere; `releases` and `trust` are of it
    held: HeldHeads  # of the mirror, where it is a copy
    _mirrored: tuple[ReleaseReader, Trust] | None = None

    def __init__(self, data_dir: Path, now: float) -> None:
        """`now` in seconds since the epoch."""
        super().__init__(data_dir)
        self.node_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clear()
        self.node = _own_word(self.node_dir / "id", "the node takes a new id, and nothing is lost")
        told = "networks have new numbers from now on, and nothing is lost"
        self.net_key = _own_word(self.node_dir / "net.key", told, least=KEY_DIGITS).encode()
        self.mirror = FsStore(self.store_dir)
        self.mirror.remove_leftovers(now)
        self.reserve = Reserve(self.node_dir / RESERVE_FILE)

    def take_net_key(self, key: str) -> bool:
        """Number networks by home's key from now on; False: it is this one, or none. Blocks. A disk that cannot be
        written has the key until the next start. Raises OSError."""
        if key.encode() == self.net_key or not is_node_id(key) or len(key) < KEY_DIGITS:
            return False
        self.net_key = key.encode()
        path = self.node_dir / "net.key"
        replace_file(path, self.net_key, path.with_name(f"{path.name}.{secrets.token_hex(4)}"))
        return True

    @property
    def served(self) -> ReleaseReader:
        """What of the releases is in the mirror."""
        return self._mirrored[0] if self._mirrored else self.releases

    @property
    def mirror_trust(self) -> Trust:
        """As the mirror has it."""
        return self._mirrored[1] if self._mirrored else self.trust

    def _clear(self) -> None:
        """Set aside what is in the place of a file or a directory that devices do not depend on, and is none. What is
        signed, or trusted, is not touched."""
        for path in (self.proofs_path, self.node_dir / RESERVE_FILE):
            clear_for_file(path, "nothing is lost")
        telemetry, events = self.spool_dir.parent, "events that were not counted are lost"
        facts = "what it held of devices is lost: their choices of channels, and their failures"
        clear_for_directory(telemetry, f"{events}, and {facts}")
        clear_for_directory(self.spool_dir, events)
        clear_for_directory(self.facts_dir, facts)
        clear_for_directory(self.outbox_dir, "rows that wait for ClickHouse are lost")
        clear_for_directory(self.erasures_dir, "devices that were being erased may not be: erase them again")
        clear_for_files(self.spool_dir, events)
        clear_for_files(self.facts_dir, facts)
        rooms = self.spool_dir, self.facts_dir, self.outbox_dir, self.erasures_dir
        clear_for_files(telemetry, "counts of events are made again", but=rooms)

    def check_keys(self) -> None:
        """Read the key set, so that its `problem` is current; write what of the store could not be remembered before,
        and take back what the reserve has lent. Blocks."""
        with suppress(Untrusted):
            self.trust.reload()
        self.trust.seen.retry()
        self.reserve.fill()

    def renew(self, now: float) -> None:
        """What is due every quarter of a minute; `now` is in seconds since the epoch. Blocks. Raises EdgeError,
        OSError."""
        self.check_keys()


class DataDirectory(OpenedDirectory):
    """Of a node that holds the truth: its store is checked, and lists this node's own key.

    `store` and `mirror` are one where the truth is this directory, and not a bucket.
    """

    releases: Releases

    def __init__(self, data_dir: Path, now: float, bucket: BucketPlace | None = None) -> None:
        """The truth is in `bucket`, if there is one. Raises EdgeError: a store that ignores conditions, is not trusted,
        or does not list this node's key."""
        super().__init__(data_dir, now)
        if bucket is not None:
            self.bucket = open_bucket(bucket, self.mirror, wait=not (self.node_dir / PIN_FILE).exists())
        self.store = self.bucket or self.mirror
        prove(self.store)
        self.writer = load_or_create_writer(self.node_dir / "writer.key")
        self.trust = open_trust(self.store, self.node_dir, now, self.writer)
        self.reserve.fill()
        if self.bucket is None:
            self.releases = Releases(self.store, self.writer, self.trust, self.reserve)
        else:
            copied = self._open_mirror(now)
            self.releases = BucketReleases(self.bucket, self.writer, self.trust, copied, self.reserve)

    def renew(self, now: float) -> None:
        """Sign the heads again that are over a minute old, too."""
        self.releases.refresh(now, at_once=BUCKET_SHARDS_AT_ONCE if self.bucket is not None else 1)
        super().renew(now)

    def _open_mirror(self, now: float) -> ReleaseReader:
        if not self.mirror.has(KEY_SET_KEY):
            with suppress(AlreadyExists):
                self.mirror.create(KEY_SET_KEY, self.trust.held.content)
        # With a memory of its own: the mirror may be behind the bucket, of which `node_dir` remembers more.
        self.mirror_memory.mkdir(mode=0o700, exist_ok=True)
        trust = open_trust(self.mirror, self.mirror_memory, now)
        self.held = HeldHeads(self.mirror_memory, self.reserve)
        copied = ReleaseReader(self.mirror, trust, self.held, copied=True)
        self._mirrored = copied, trust
        return copied


def prove(store: S3Store | FsStore) -> None:
    """A bucket that does not answer is proven later, before the first change: what this node has on its disk is served
    meanwhile. Raises EdgeError."""
    if isinstance(store, FsStore):
        probe(store)
        return
    try:
        store.prove()
    except StoreLost as error:
        log.error("%s; starting with what is on this disk", error.message)


def _own_word(path: Path, lost: str, *, least: int = 1) -> str:
    """A random word of this data directory, made once, which nobody else can read: its name, by which telemetry is
    counted once per (node, segment), or a key, of `least` characters. A damaged one is set aside for a new one, which
    `lost` tells. On a disk that cannot be written, the new one is not kept."""
    try:
        return _read_word(path, least)
    except FileNotFoundError:
        pass
    except Damaged as error:
        set_aside(path, str(error), lost)
    word = secrets.token_hex(max(least, ID_DIGITS) // 2)
    try:
        create_file(path, word.encode(), path.with_name(f"{path.name}.{secrets.token_hex(4)}"))
    except FileExistsError:
        return _read_word(path, least)  # another process of this node was first
    except OSError as error:
        if not cannot_write(error):
            raise
    return word


def _read_word(path: Path, least: int) -> str:
    """Raises Damaged, OSError."""
    word = read_own_file(path).decode("ascii", "replace")
    if not is_node_id(word) or len(word) < least:
        raise Damaged("it contains no such word")
    return word

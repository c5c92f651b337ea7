"""Requests to a bucket, each with an end: counted, repeated a few times where that is right, and then refused by name.

Everything here blocks, for `call_seconds` at most, and is safe among threads. A bucket that did not answer is not asked
again for some seconds: who asks meanwhile learns it at once, so threads do not queue up behind it.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from edge.domain.errors import Unavailable
from edge.store.objects.port import Measured
from edge.store.s3.bucket_place import BucketPlace
from edge.store.s3.credentials import KeysFile, read_keys
from edge.store.s3.faults import BucketFault, FaultKind, fault_of, refusal_of_bucket
from edge.store.s3.request_counts import RequestCounts

if TYPE_CHECKING:
    from obstore.store import S3Store as Connection

PIECE_BYTES = 4 << 20  # of an object that is read: at 300 kB/s it arrives within an attempt's time
PART_BYTES = 8 << 20  # of an upload in parts; 10,000 parts are allowed, which is 80 GB
WHOLE_BYTES = 8 << 20  # larger files are uploaded in parts
PARTS_AT_ONCE = 4
REQUESTS_LIMIT = 24  # at once: each holds a thread, and a process has 64 of them where its truth is a bucket
DELETED_AT_ONCE = 1_000  # keys of one request, by the protocol

T = TypeVar("T")


class CallLimits(NamedTuple):
    """A store that answers after ten seconds is slow, and is used; `call_seconds` include all attempts."""

    attempt_seconds: float = 15.0
    call_seconds: float = 40.0
    attempts: int = 4
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 2.0
    rest_seconds: float = 5.0  # after one that did not answer
    part_seconds: float = 60.0


USUAL_LIMITS = CallLimits()
AT_START = CallLimits(attempt_seconds=1.5, call_seconds=1.5, attempts=1)  # a node that can serve does not wait for it


class BucketObject(NamedTuple):
    """`tag` is the ETag without quotes; `bytes` the size of the whole object, also where `data` is a part."""

    data: bytes
    tag: str
    bytes: int


class RefusedCall(Exception):
    """A request that ended. `unsure`: an attempt got no answer, so it may have been carried out."""

    def __init__(self, fault: BucketFault, error: Unavailable, unsure: bool) -> None:
        super().__init__(error.message)
        self.fault = fault
        self.error = error
        self.unsure = unsure


def asking(call: Callable[[], T]) -> T:
    """Raises what a store raises instead of RefusedCall: FileNotFoundError, StoreLost."""
    try:
        return call()
    except RefusedCall as refused:
        if refused.fault.kind is FaultKind.ABSENT:
            raise FileNotFoundError(str(refused)) from refused
        raise refused.error from refused


class BucketClient:
    """Raises RefusedCall, and StoreLost where the bucket is not asked at all. `pause` sleeps; `clock` is monotonic."""

    def __init__(
        self,
        place: BucketPlace,
        *,
        limits: CallLimits = USUAL_LIMITS,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nothing yet. Raises Unavailable `missing_extra`, and what `read_keys` raises."""
        self.place = place
        self.counts = RequestCounts()
        self.quotes = True  # whether this server compares tags in quotes, as far as is known: `collection.swap`
        self._limits = limits
        self._pause = pause
        self._clock = clock
        self._slots = threading.BoundedSemaphore(REQUESTS_LIMIT)
        self._resting_until = float("-inf")
        self._lost: BucketFault | None = None
        self._connect()

    def __str__(self) -> str:
        """As people know it."""
        return f"the bucket {self.place.url}"

    def get(self, key: str, known: str = "") -> BucketObject | None:
        """The object; None if it still has the tag `known`. RefusedCall ABSENT if there is none."""
        options: dict[str, Any] = {"if_none_match": quoted(known)} if known else {}

        def ask(connection: "Connection") -> BucketObject:
            answer = connection.get(key, options=options or None)  # type: ignore[arg-type]
            data = bytes(answer.bytes())
            return BucketObject(data, plain_tag(answer.meta["e_tag"]), len(data))

        try:
            return self._call("get", f"reading {key}", ask)
        except RefusedCall as refused:
            if known and refused.fault.kind is FaultKind.UNCHANGED:
                return None
            raise

    def get_piece(self, key: str, start: int) -> BucketObject:
        """At most `PIECE_BYTES` from `start` on. Empty at the end."""

        def ask(connection: "Connection") -> BucketObject:
            answer = connection.get(key, options={"range": (start, start + PIECE_BYTES)})
            return BucketObject(bytes(answer.bytes()), plain_tag(answer.meta["e_tag"]), answer.meta["size"])

        try:
            return self._call("get", f"reading {key}", ask)
        except RefusedCall as refused:
            if refused.fault.status == 416:
                return BucketObject(b"", "", start)
            raise

    def head(self, key: str) -> Measured | None:
        """None if there is none."""

        def ask(connection: "Connection") -> Measured:
            found = connection.head(key)
            return Measured(key, found["size"], found["last_modified"].timestamp())

        try:
            return self._call("head", f"looking for {key}", ask)
        except RefusedCall as refused:
            if refused.fault.kind is FaultKind.ABSENT:
                return None
            raise

    def create(self, key: str, data: bytes) -> str:
        """Returns the tag. RefusedCall EXISTS."""
        return self._put(key, data, "create")

    def swap(self, key: str, data: bytes, tag: str, *, quotes: bool) -> str:
        """If the object has `tag`; returns the new one. RefusedCall CHANGED. Some servers compare a tag in quotes, some
        without."""
        return self._put(key, data, {"e_tag": quoted(tag) if quotes else tag})

    def write(self, key: str, data: bytes) -> str:
        """Whatever is there."""
        return self._put(key, data, "overwrite")

    def upload(self, key: str, file: Path) -> None:
        """Whatever is there, in parts, which become the object all at once."""
        size = file.stat().st_size
        self.counts.add("part", 2 + -(-size // PART_BYTES))  # beginning, each part, and the end

        def ask(connection: "Connection") -> None:
            connection.put(key, file, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE, use_multipart=True)

        self._call("", f"uploading {key}", ask, transfer=True)

    def objects(self, prefix: str) -> Iterator[tuple[Measured, str]]:
        """Every object in a folder, at any depth, and its tag. `prefix` ends with a slash or is empty."""

        def ask(connection: "Connection") -> list[tuple[Measured, str]]:
            found = []
            for number, chunk in enumerate(connection.list(prefix.removesuffix("/") or None, chunk_size=1_000)):
                self.counts.add("list", number > 0)
                found += [
                    (Measured(each["path"], each["size"], each["last_modified"].timestamp()), plain_tag(each["e_tag"]))
                    for each in chunk
                ]
            return found

        return iter(self._call("list", f"listing {prefix or 'it'}", ask, transfer=True))

    def folders(self, prefix: str) -> list[str]:
        """The next parts of keys with a prefix that ends with a slash."""

        def ask(connection: "Connection") -> list[str]:
            answer = connection.list_with_delimiter(prefix.removesuffix("/"))
            return [each.rstrip("/").rpartition("/")[2] for each in answer["common_prefixes"]]

        return self._call("list", f"listing {prefix}", ask, transfer=True)

    def delete(self, keys: Sequence[str]) -> bool:
        """Those that are there, of DELETED_AT_ONCE at most; whether each request was answered: one that was not may be
        carried out later."""
        assert len(keys) <= DELETED_AT_ONCE
        attempts = 0

        def ask(connection: "Connection") -> None:
            nonlocal attempts
            attempts += 1
            connection.delete([*keys])

        self._call("delete", f"deleting {len(keys)} objects", ask)
        return attempts == 1

    def rest(self) -> None:
        """Ask nothing for some seconds, as if it had not answered."""
        self._lost = BucketFault(FaultKind.LOST)
        self._resting_until = self._clock() + self._limits.rest_seconds

    def _put(self, key: str, data: bytes, mode: Any) -> str:
        def ask(connection: "Connection") -> str:
            return plain_tag(connection.put(key, data, mode=mode, use_multipart=False)["e_tag"])

        return self._call("put", f"writing {key}", ask)

    def _call(self, kind: str, doing: str, ask: "Callable[[Connection], T]", *, transfer: bool = False) -> T:
        ends = self._clock() + self._limits.call_seconds
        unsure, attempt = False, 0
        with self._slot(doing):
            while True:
                attempt += 1
                if kind:
                    self.counts.add(kind)
                try:
                    return ask(self._transfers if transfer else self._connection)
                except Exception as error:
                    fault = _fault_in(error)
                    unsure |= fault.kind in (FaultKind.LOST, FaultKind.FAILED)
                pause = self._pause_after(attempt)
                if not fault.kind.again or attempt >= self._limits.attempts or self._clock() + pause >= ends:
                    raise self._refused(fault, doing, unsure)
                self.counts.add("again")
                if fault.kind is FaultKind.EXPIRED:
                    self._connect()
                self._pause(pause)

    def _refused(self, fault: BucketFault, doing: str, unsure: bool) -> RefusedCall:
        if fault.kind is FaultKind.LOST:
            self.rest()
        if fault.kind not in (FaultKind.ABSENT, FaultKind.EXISTS, FaultKind.CHANGED, FaultKind.UNCHANGED):
            self.counts.add("failed")
        return RefusedCall(fault, refusal_of_bucket(fault, str(self), doing), unsure)

    @contextmanager
    def _slot(self, doing: str) -> Iterator[None]:
        """Raises StoreLost while the bucket is not asked, or others ask too much of it."""
        if self._lost is not None and self._clock() < self._resting_until:
            raise refusal_of_bucket(self._lost, str(self), doing)
        if not self._slots.acquire(blocking=False):
            raise refusal_of_bucket(BucketFault(FaultKind.BUSY), str(self), doing)
        try:
            yield
        finally:
            self._slots.release()

    def _pause_after(self, attempt: int) -> float:
        longest: float = min(self._limits.longest_pause_seconds, self._limits.first_pause_seconds * 2 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that nodes do not ask in step

    def _connect(self) -> None:
        self._connection = _connection(self.place, self._limits.attempt_seconds, retries=0)
        # A part of a large upload is repeated by itself.
        self._transfers = _connection(self.place, self._limits.part_seconds, retries=3)


def quoted(tag: str) -> str:
    return f'"{tag}"'


def plain_tag(tag: str | None) -> str:
    """Servers differ in whether they give it in quotes."""
    return (tag or "").removeprefix("W/").strip('"')


def _fault_in(error: Exception) -> BucketFault:
    """Raises the error again if it is no answer of the bucket but a fault in this program, or of a file of ours."""
    from obstore import exceptions

    if not isinstance(error, exceptions.BaseError | FileNotFoundError | PermissionError | OSError):
        raise error
    fault = fault_of(str(error))
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) and not fault.status:
        raise error
    if isinstance(error, exceptions.AlreadyExistsError) and fault.kind is FaultKind.CHANGED:
        return fault._replace(kind=FaultKind.EXISTS)
    if isinstance(error, exceptions.PreconditionError) and fault.kind is FaultKind.ABSENT:
        return fault._replace(kind=FaultKind.CHANGED)  # a swap of what is not there
    return fault


def _connection(place: BucketPlace, seconds: float, *, retries: int) -> "Connection":
    try:
        from obstore.store import S3Store as Connection
    except ImportError as error:
        wanted = "a bucket needs a library that is not installed: pip install 'edge-updates[s3]'"
        raise Unavailable("missing_extra", wanted) from error
    config: dict[str, Any] = {"virtual_hosted_style_request": not place.path_style}
    if endpoint := place.endpoint_for_client:
        config["endpoint"] = endpoint
    provider = None
    if place.credentials_file is not None:
        if region := read_keys(place.credentials_file).region:
            config["region"] = region
        provider = KeysFile(place.credentials_file)
    return Connection(
        place.bucket,
        prefix=place.prefix or None,
        config=config,  # type: ignore[arg-type]
        client_options={
            "timeout": timedelta(seconds=seconds),
            "connect_timeout": timedelta(seconds=min(5.0, seconds)),
            "allow_http": place.endpoint.startswith("http://"),
            "user_agent": "edge-updates",
        },
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=seconds)},
        credential_provider=provider,  # type: ignore[arg-type]
    )

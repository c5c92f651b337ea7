"""How much each token has uploaded that no bundle refers to: a limit on what a leaked token can fill a disk with.

A bundle that is published releases its blobs, whoever uploaded them; garbage collection deletes the others after two
days, and a day later they count no more. Kept in a small file, since a restart must not forgive; a power cut may.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.store.disk.durable_files import FILE_MODE
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside

COUNTED_SECONDS = 72 * 3600.0  # garbage collection has deleted the blob by then
LEAST_BYTES = 16 * 1024  # what an upload counts at least: it takes a name and a block on the disk
LINES_LEAST, LINES_SHARE = 10_000, 4  # the file is written again when it has this many, and this many times too many
DIGITS_LIMIT = 18  # of a time or a size; nothing real has more
PLAIN = "plain-"  # before a zip's digest: the plain files that the node itself keeps of that bundle


class OverQuota(EdgeError):
    """The token has uploaded more than its limit without publishing it."""

    status = 429


class _Upload(NamedTuple):
    token: str
    digest: str
    bytes: int
    at: float


class UploadQuota:
    """`refused` counts uploads. Safe among threads; writes a line for each upload. Times are in seconds since the
    epoch."""

    def __init__(self, file: Path, limit_bytes: int, now: float) -> None:
        """A limit of 0 is none."""
        self.refused = 0
        self._file = file
        self._limit = limit_bytes
        self._uploads: dict[tuple[str, str], _Upload] = {}
        self._sums: dict[str, int] = {}
        self._arriving: dict[str, int] = {}
        self._lines = 0
        self._lock = threading.Lock()
        self._load(now)

    @property
    def unpublished_bytes(self) -> int:
        """Of all tokens."""
        return sum(self._sums.values())

    @contextmanager
    def reserve(self, token: str, more_bytes: int, now: float) -> Iterator[None]:
        """For an upload of this size, as long as the block takes. Raises OverQuota `unpublished_uploads`."""
        with self._lock:
            self._forget_old(now)
            held, arriving = self._sums.get(token, 0), self._arriving.get(token, 0)
            if self._limit and held + arriving + more_bytes > self._limit:
                self.refused += 1
                raise OverQuota(
                    "unpublished_uploads",
                    f"token {token!r} has uploaded {held + arriving} bytes that no bundle refers to; {more_bytes} more "
                    f"would exceed the limit of {self._limit} (store.upload_limit_bytes): publish them, or wait until "
                    "they are deleted two days after their upload",
                )
            self._arriving[token] = arriving + more_bytes
        try:
            yield
        finally:
            with self._lock:
                # Missing if another block, which reserved nothing, has ended meanwhile.
                left = self._arriving.pop(token, 0) - more_bytes
                if left:
                    self._arriving[token] = left

    def add(self, token: str, digest: str, size_bytes: int, now: float) -> None:
        """The token has uploaded a blob that nothing refers to yet."""
        upload = _Upload(token, digest, max(size_bytes, LEAST_BYTES), now)
        with self._lock:
            if (token, digest) not in self._uploads:
                self._put(upload)
                self._append(f"{upload.at:.0f} {token} {digest} {upload.bytes}\n")

    def release(self, digests: Iterable[str]) -> None:
        """A bundle refers to these now."""
        wanted = set(digests)
        with self._lock:
            gone = [each for each in self._uploads.values() if each.digest in wanted]
            for each in gone:
                self._drop(each)
            if gone:
                self._append("".join(f"0 {each.token} {each.digest} 0\n" for each in gone))

    def _put(self, upload: _Upload) -> None:
        self._uploads[upload.token, upload.digest] = upload
        self._sums[upload.token] = self._sums.get(upload.token, 0) + upload.bytes

    def _drop(self, upload: _Upload) -> None:
        del self._uploads[upload.token, upload.digest]
        self._sums[upload.token] -= upload.bytes
        if not self._sums[upload.token]:
            del self._sums[upload.token]

    def _forget_old(self, now: float) -> None:
        """They are in the order of their times, but for a clock that jumps."""
        while self._uploads and (oldest := next(iter(self._uploads.values()))).at < now - COUNTED_SECONDS:
            self._drop(oldest)

    def _append(self, lines: str) -> None:
        """Without a sync: what a power cut loses is forgiven. A full disk refuses the upload itself."""
        self._lines += lines.count("\n")
        if self._lines > LINES_LEAST + LINES_SHARE * len(self._uploads):
            self._compact()
            return
        try:
            with self._file.open("a") as file:
                file.write(lines)
        except OSError:
            return

    def _load(self, now: float) -> None:
        """Read the file, and write it again without what is over. What is damaged in it is forgiven."""
        try:
            lines = read_own_file(self._file).decode("ascii", "replace").splitlines()
            damaged = sum(not self._take(line, now) for line in lines[:-1])
            if lines:
                self._take(lines[-1], now)  # a power cut may have torn it
            if damaged:
                set_aside(self._file, f"{damaged} of {len(lines)} lines", "the uploads in them count against no limit")
        except FileNotFoundError:
            return
        except Damaged as error:
            set_aside(self._file, str(error), "earlier uploads that no bundle refers to count against no limit")
            return
        self._forget_old(now)
        if lines:
            self._compact()

    def _take(self, line: str, now: float) -> bool:
        """Whether the line is one of ours. A time in the future, by a clock that was wrong, counts as now."""
        fields = line.split(" ")
        if len(fields) != len(_Upload._fields) or not all(_is_number(text) for text in (fields[0], fields[3])):
            return False
        at, token, digest, size = fields
        known = self._uploads.get((token, digest))
        if known is not None:
            self._drop(known)
        if int(size):
            self._put(_Upload(token, digest, int(size), min(float(at), now)))
        return True

    def _compact(self) -> None:
        scratch = self._file.with_name(f"{self._file.name}.new")
        try:
            scratch.touch(FILE_MODE)
            scratch.write_text("".join(f"{u.at:.0f} {u.token} {u.digest} {u.bytes}\n" for u in self._uploads.values()))
            scratch.replace(self._file)
            self._lines = len(self._uploads)
        except OSError:  # a full disk, or one that is read-only: the longer file says the same
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= DIGITS_LIMIT

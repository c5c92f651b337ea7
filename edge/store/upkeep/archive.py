"""An export of a store: one tar file, so that any tool can look into it, and the same bytes for the same store.

First `edge-export.json`, then revisions and blobs, then what refers to them (heads, keys, tokens), then the node's own
keys if wanted, at last `edge-export-end.json` with the number of members: without it the file was cut. Blobs and
revisions are named by their digests, so a reader verifies each by itself.
"""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

import msgspec

from edge.domain.errors import Invalid
from edge.store.objects.files import StoreFiles
from edge.store.objects.port import Stored
from edge.store.secrets.key_file import SECRETS_FILE
from edge.store.stored_document import Untrusted, digest_of, parse_document

EXPORT_FORMAT = 1
BEGIN, END = "edge-export.json", "edge-export-end.json"
NODE_FOLDER = "node/"
# What signs, which store it belongs to; where they are here, the root's key, and those that seal secrets in the store.
NODE_FILES = ("writer.key", "trust.json", "root.key", SECRETS_FILE)
NEEDED_FILES = NODE_FILES[:2]
DOCUMENT_LIMIT_BYTES = 64 << 20  # of a document in a hostile export; the largest real ones have some MB
FILE_MODE = 0o600


class ExportBegin(msgspec.Struct):
    """`made` is in seconds since the epoch."""

    format: int
    store: str
    made: float
    keys: bool


class _End(msgspec.Struct):
    format: int
    members: int


class ExportMember(NamedTuple):
    """`content`, of `size` bytes, is to be read before the next member."""

    name: str
    size: int
    content: IO[bytes]


_begin = msgspec.json.Decoder(ExportBegin)
_end = msgspec.json.Decoder(_End)


class ByteSource(Protocol):
    """All that is asked of what is written."""

    def read(self, size: int = -1, /) -> bytes: ...


class ExportWriter:
    """Writes members to a stream that need not seek."""

    def __init__(self, target: IO[bytes], begin: ExportBegin) -> None:
        sink = cast(IO[bytes], _Sink(target))
        self._tar = tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - `close` does
        self._made = begin.made
        self._members = 0
        self.add_bytes(BEGIN, msgspec.json.encode(begin))

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, len(content), io.BytesIO(content))

    def add(self, name: str, size_bytes: int, content: ByteSource) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size_bytes, FILE_MODE, int(self._made)
        self._tar.addfile(info, cast(IO[bytes], content))
        self._members += 1

    def close(self) -> None:
        """Write the end. Without it nobody imports the file."""
        self.add_bytes(END, msgspec.json.encode(_End(EXPORT_FORMAT, self._members)))
        self._tar.close()


class _Sink:
    """What a tar file asks of a file, for one that cannot seek. Nothing is buffered, so a failed write is the last."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._bytes = 0

    def tell(self) -> int:
        return self._bytes

    def write(self, content: bytes) -> int:
        written = self._target.write(content)
        self._bytes += written
        return written


def read_export(source: IO[bytes]) -> Iterator[tuple[ExportBegin, ExportMember]]:
    """The members in their order. Raises Untrusted: `not_an_export`, `newer_format`, and at the end `cut_export`."""
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            yield from _members(tar)
    except (tarfile.TarError, EOFError) as error:
        raise Untrusted("cut_export", f"the export cannot be read to its end: {error}") from error


class ExportedStore(StoreFiles):
    """The objects of an export file, to be read in any order."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self._tar = tarfile.open(file)  # noqa: SIM115 - for as long as the process needs it
        self._members = {member.name: member for member in self._tar if member.isreg()}

    def close(self) -> None:
        self._tar.close()

    def get(self, key: str) -> Stored | None:
        with self.stream(key) as content:
            data = content.read(DOCUMENT_LIMIT_BYTES) if content is not None else None
        return Stored(data, digest_of(data)) if data is not None else None

    def has(self, key: str) -> bool:
        return key in self._members

    @contextmanager
    def stream(self, key: str) -> Iterator[IO[bytes] | None]:
        """None if it has no such object."""
        member = self._members.get(key)
        yield self._tar.extractfile(member) if member is not None else None


def _members(tar: tarfile.TarFile) -> Iterator[tuple[ExportBegin, ExportMember]]:
    begin = None
    for count, info in enumerate(tar):
        content = tar.extractfile(info) if info.isreg() else None
        if content is None:
            raise Invalid("not_an_export", f"{info.name!r} in the export is not a file")
        if begin is None:
            if info.name != BEGIN:
                raise Invalid("not_an_export", f"not an export of `edge store export`: it begins with {info.name!r}")
            begin = parse_document(content.read(DOCUMENT_LIMIT_BYTES), _begin, EXPORT_FORMAT, "the export")
        elif info.name == END:
            if parse_document(content.read(DOCUMENT_LIMIT_BYTES), _end, EXPORT_FORMAT, "its end").members != count:
                break
            return
        else:
            yield begin, ExportMember(info.name, info.size, content)
    raise Untrusted("cut_export", "the export was cut: its end is missing")

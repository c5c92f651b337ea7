"""`POST /updates/manifest_size`: the sizes of the files in an offer (PROTOCOL.md §1.11). Pure.

An address from a device is never fetched: only its digest is read, and only if it is a file's address of the same app.
The caller knows the sizes of blobs.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from edge.domain.errors import Invalid
from edge.domain.manifest import FILE_COUNT_LIMIT
from edge.domain.model import AppId, Digest, parse_app_id, parse_digest
from edge.wire.body import WireError, encode_json, require_size
from edge.wire.fields import app_id_rule
from edge.wire.members import TEXT, UNREAD, Members, count_structure, read_items, start_of

# The largest manifest that a node offers, as the device sends it back: 400 bytes an entry with its address.
MANIFEST_SIZE_BODY_LIMIT_BYTES = 8 << 20
ENTRY_LIMIT = FILE_COUNT_LIMIT  # no offer of ours has more files

# Bytes that are JSON's own; they make reading expensive, and this many take 4 ms. An entry has 22 of them, and 11
# more if `/` is escaped, as on iOS.
STRUCTURE_LIMIT = 40 * ENTRY_LIMIT

_SCHEMES = ("http://", "https://")


class Entry(NamedTuple):
    """One file as the device sent it, with empty texts for what it left out. The answer repeats it unchanged."""

    file_name: str
    file_hash: str
    download_url: str


class SizeRequest(NamedTuple):
    """The files whose sizes a device asks for, in its order."""

    app: AppId
    entries: tuple[Entry, ...]  # in the order of the request, without repeats, all with a hash


SizeOf = Callable[[AppId, Digest], int | None]  # stored bytes of a blob if devices of the app may read it


def parse_manifest_size(body: bytes) -> SizeRequest:
    """Only `app_id` of the info object is read. The array is `manifest`, or `files`.

    Raises WireError: 413 `body_too_large`, `too_many_files`; 400 `invalid_json_parse_body`, `invalid_json_body`,
    `missing_app_id`.
    """
    require_size(body, MANIFEST_SIZE_BODY_LIMIT_BYTES)
    if count_structure(body, STRUCTURE_LIMIT) > STRUCTURE_LIMIT:
        raise WireError(
            413, "body_too_large", f"The body has more than {STRUCTURE_LIMIT} brackets, quotes and the like"
        )
    found = _members.read(body)
    if found is None:
        raise WireError(400, "invalid_json_body", "Cannot parse body")
    app = _app_of(found.get("app_id"))
    array = next((found[name] for name in ("manifest", "files") if start_of(found.get(name, b"null")) != b"n"), b"")
    if start_of(array) != b"[":
        raise _wrong("manifest", "manifest must be an array")
    items = read_items(array, ENTRY_LIMIT)
    if len(items) > ENTRY_LIMIT:
        raise WireError(413, "too_many_files", f"A manifest has at most {ENTRY_LIMIT} files")
    entries = map(_entry_of, items)
    return SizeRequest(app, tuple(dict.fromkeys(entry for entry in entries if entry.file_hash)))


def encode_manifest_size(request: SizeRequest, size_of: SizeOf) -> bytes:
    """The body of a 200. `size_of` is called once for each file whose address is the node's."""
    sizes = [_size(entry, request.app, size_of) for entry in request.entries]
    known = [size for size in sizes if size is not None]
    totals = {"totalSize": sum(known), "knownFiles": len(known), "unknownFiles": len(sizes) - len(known)}
    # File by file: encoding thousands in one call holds the interpreter for 10 ms.
    files = [encode_json(_file(entry, size)) for entry, size in zip(request.entries, sizes, strict=True)]
    return encode_json(totals)[:-1] + b',"files":[' + b",".join(files) + b"]}"


def blob_of(url: str, app: AppId) -> Digest | None:
    """The digest in a file's address of this app, on any host; None for any other address."""
    if not url.startswith(_SCHEMES):
        return None
    path = url.partition("#")[0].partition("?")[0]
    head, found, digest = path.rpartition(f"/bundles/{app}/file/")
    if not found or not head.partition("://")[2]:  # no host, or a host called "bundles"
        return None
    try:
        return parse_digest(digest)
    except Invalid:
        return None


def _size(entry: Entry, app: AppId, size_of: SizeOf) -> int | None:
    blob = blob_of(entry.download_url, app)
    return (size_of(app, blob) or None) if blob is not None else None  # 0 counts as unknown, as in the protocol


def _file(entry: Entry, size: int | None) -> dict[str, object]:
    written: dict[str, object] = entry._asdict()
    return written | ({"error": "size_unknown"} if size is None else {"size": size})


def _entry_of(item: msgspec.Raw) -> Entry:
    fields = _entry_members.read(item) or {}
    return Entry(*(given if isinstance(given := fields.get(name), str) else "" for name in Entry._fields))


def _app_of(given: object) -> AppId:
    if not given:
        raise WireError(400, "missing_app_id", "Cannot find app_id")
    issue = app_id_rule(given)
    if issue:
        raise _wrong("app_id", issue)
    return parse_app_id(str(given))


_members = Members({"app_id": TEXT, "manifest": UNREAD, "files": UNREAD})
_entry_members = Members(dict.fromkeys(Entry._fields, TEXT))


def _wrong(field: str, issue: str) -> WireError:
    more: dict[str, object] = {"parseResult": [{"field": field, "message": issue}]}
    return WireError(400, "invalid_json_body", "Cannot parse body", more)

"""A bundle's files, held against the rules of app stores. Nothing is refused here: these are warnings.

Few, and each for something that can be seen: what a script does when it runs, what it is worth to a reviewer, and
whether a payment is one that a store wants to have its share of cannot be, so nothing is said of it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Protocol

from edge.bundles.limits import MIB
from edge.bundles.store_rules.declarations import (
    DECLARATION_LIMIT_BYTES,
    Declared,
    is_declaration,
    read_declared,
)
from edge.bundles.store_rules.native_code import HEAD_BYTES, native_kind
from edge.bundles.store_rules.packages import package_in
from edge.bundles.store_rules.rules import StoreCode, StoreWarning

WARNINGS_LIMIT = 50  # of one bundle: a folder of native libraries need not be listed to the end
# The rest of what is looked at in one bundle: beyond any app, and seconds of a node that is sent the worst of it.
PACKAGES_LIMIT = 64  # zips within it that are opened
DECLARATIONS_LIMIT = 16  # files that declare something
PAGES_LIMIT_BYTES = 64 * MIB  # of HTML files
PAGE_LIMIT_BYTES = 256 * 1024  # of one; what begins an app is far smaller
HOSTS_SHOWN = 5
# Every repetition has a limit: a page is a stranger's, and takes time in proportion to its size.
_SCRIPT = re.compile(rb"<script\b([^>]{0,1000})", re.IGNORECASE)
_SOURCE = re.compile(
    rb"(?:^|[\s\"'/])src\s{0,8}=\s{0,8}[\"']?\s{0,8}(?:https?:)?//([A-Za-z0-9.-]{1,253})", re.IGNORECASE
)
_ZIP = b"PK\x03\x04"
_LOCAL = (b"localhost", b"127.0.0.1")


class LookedAt(Protocol):
    """A file of a bundle, wherever it is."""

    @property
    def name(self) -> str: ...

    def start(self, limit_bytes: int) -> bytes:
        """Its first bytes. Raises OSError."""

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """All of it, to be read in any order. Raises OSError."""


@dataclass(slots=True)
class _Left:
    """What may still be looked at."""

    packages: int = PACKAGES_LIMIT
    declarations: int = DECLARATIONS_LIMIT
    page_bytes: int = PAGES_LIMIT_BYTES


def check_store_rules(
    files: Iterable[LookedAt], app: str, before: Mapping[str, Declared] | None = None
) -> list[StoreWarning]:
    """What the stores may not allow in a bundle of `app`, "" if its id is compared elsewhere. `before` is what the
    bundle that devices have now declares, by file. Reads the files; raises OSError."""
    left, earlier = _Left(), before or {}
    found = (warning for file in files for warning in _warnings(file, app, earlier, left))
    return list(islice(found, WARNINGS_LIMIT))


def declarations_of(files: Iterable[LookedAt]) -> dict[str, Declared]:
    """What those of a bundle's files declare that declare something, by name. Raises OSError."""
    declaring = (file for file in files if is_declaration(file.name))
    return {
        file.name: read_declared(file.name, file.start(DECLARATION_LIMIT_BYTES + 1))
        for file in islice(declaring, DECLARATIONS_LIMIT)
    }


def _warnings(file: LookedAt, app: str, before: Mapping[str, Declared], left: _Left) -> Iterator[StoreWarning]:
    declares, is_page = is_declaration(file.name), file.name.lower().endswith((".html", ".htm"))
    start = file.start(DECLARATION_LIMIT_BYTES + 1 if declares else PAGE_LIMIT_BYTES if is_page else HEAD_BYTES)
    if kind := native_kind(start[:HEAD_BYTES]) or _package(file, start, left):
        told = f"{file.name} is {kind}: a live update may not bring code for the system; ship it with the app"
        yield StoreWarning(StoreCode.NATIVE_CODE, file.name, told)
    if declares and left.declarations:
        left.declarations -= 1
        yield from declared_warnings(file.name, read_declared(file.name, start), app, before.get(file.name))
    if is_page and left.page_bytes >= len(start):
        left.page_bytes -= len(start)
        yield from script_warnings(file.name, start)


def _package(file: LookedAt, start: bytes, left: _Left) -> str:
    if not start.startswith(_ZIP) or not left.packages:
        return ""
    left.packages -= 1
    with file.opened() as opened:
        return package_in(opened)


def declared_warnings(name: str, now: Declared, app: str, before: Declared | None) -> Iterator[StoreWarning]:
    """Of one file that declares something. Pure."""
    yield from app_id_warnings(name, now.app_id, app, before.app_id if before is not None else "")
    if before is not None and now.permissions != before.permissions:
        added = ", ".join(sorted(now.permissions - before.permissions)) or "none"
        gone = ", ".join(sorted(before.permissions - now.permissions)) or "none"
        told = (
            f"{name} declares other permissions than the bundle before (new: {added[:300]}; gone: {gone[:300]}): only "
            "a build that the store reviews can change them, and code that needs a new one fails until then"
        )
        yield StoreWarning(StoreCode.PERMISSIONS_DIFFER, name, told)
    if now.start_page and (before is None or before.start_page != now.start_page):
        told = (
            f"{name} has server.url {now.start_page[:200]!r}: an app built with it shows that address instead of any "
            "bundle, which no store has reviewed; it is for live reload while developing"
        )
        yield StoreWarning(StoreCode.START_PAGE_ELSEWHERE, name, told)


def app_id_warnings(name: str, app_id: str, app: str, earlier: str = "") -> Iterator[StoreWarning]:
    """Of a file that has an app's id, in a bundle of `app`. Pure."""
    if not (app and app_id) or app_id == app:
        return
    was = f", and was {earlier!r} in the bundle before" if earlier and earlier != app_id else ""
    told = f"{name} has the app id {app_id[:200]!r}{was}: this is app {app!r}; is it the build of another app?"
    yield StoreWarning(StoreCode.APP_ID_DIFFERS, name, told)


def script_warnings(name: str, page: bytes) -> Iterator[StoreWarning]:
    """Of scripts that a page loads from elsewhere, in one warning. Pure."""
    sources = (_SOURCE.search(attributes) for attributes in _SCRIPT.findall(_without_comments(page)))
    hosts = {found[1].lower() for found in sources if found is not None and not found[1].lower().startswith(_LOCAL)}
    if hosts:
        shown = ", ".join(sorted(host.decode("ascii", "replace") for host in hosts)[:HOSTS_SHOWN])
        told = (
            f"{name} loads scripts from {shown}: what runs there can change without an update and without review; put "
            "them into the bundle if you can"
        )
        yield StoreWarning(StoreCode.REMOTE_SCRIPT, name, told)


def _without_comments(page: bytes) -> bytes:
    kept, at = list[bytes](), 0
    while (start := page.find(b"<!--", at)) >= 0 and (end := page.find(b"-->", start + 4)) >= 0:
        kept.append(page[at:start])
        at = end + 3
    return b"".join([*kept, page[at:]])

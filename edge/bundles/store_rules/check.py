"""A bundle's files, held against the rules of app stores. Nothing is refused here: these are warnings.

Few, and each for something that can be seen: what a script does when it runs, what it is worth to a reviewer, and
whether a payment is one that a store wants to have its share of cannot be, so nothing is said of it.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edge.bundles.sources.files import SourceFile
from edge.bundles.store_rules.declarations import (
    DECLARATION_LIMIT_BYTES,
    Declared,
    is_declaration,
    read_declared,
)
from edge.bundles.store_rules.native_code import HEAD_BYTES, native_kind, package_kind
from edge.bundles.store_rules.rules import StoreCode, StoreWarning

WARNINGS_LIMIT = 50  # of one bundle: a folder of native libraries need not be listed to the end
MEMBERS_LIMIT = 2_000  # of a zip within the bundle, whose names are looked at
PAGE_LIMIT_BYTES = 256 * 1024  # of an HTML file; what begins an app is far smaller
HOSTS_SHOWN = 5
_SCRIPT = re.compile(
    rb"<script\b[^>]{0,500}?\bsrc\s*=\s*[\"']?\s*((?:https?:)?//([A-Za-z0-9.-]{1,253})[^\s\"'>]{0,500})", re.IGNORECASE
)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_LOCAL = (b"localhost", b"127.0.0.1")


def check_store_rules(
    files: Iterable[SourceFile], app: str, before: Mapping[str, Declared] | None = None
) -> list[StoreWarning]:
    """What the stores may not allow in a bundle of `app`, "" if its id is compared elsewhere. `before` is what the
    bundle that devices have now declares, by file. Reads the files; raises OSError."""
    found: list[StoreWarning] = []
    for warning in _warnings(files, app, before or {}):
        found.append(warning)
        if len(found) == WARNINGS_LIMIT:
            break
    return found


def declarations_of(files: Iterable[SourceFile]) -> dict[str, Declared]:
    """What files of a bundle declare, by name. Raises OSError."""
    return {file.name: read_declared(file.name, _start(file.path, DECLARATION_LIMIT_BYTES + 1)) for file in files}


def _warnings(files: Iterable[SourceFile], app: str, before: Mapping[str, Declared]) -> Iterator[StoreWarning]:
    for file in files:
        head = _start(file.path, HEAD_BYTES)
        if kind := native_kind(head) or (package_in(file.path) if head.startswith(b"PK\x03\x04") else ""):
            told = f"{file.name} is {kind}: a live update may not bring code for the system; ship it with the app"
            yield StoreWarning(StoreCode.NATIVE_CODE, file.name, told)
        if is_declaration(file.name):
            content = _start(file.path, DECLARATION_LIMIT_BYTES + 1)
            yield from declared_warnings(file.name, read_declared(file.name, content), app, before.get(file.name))
        if file.name.lower().endswith((".html", ".htm")):
            yield from script_warnings(file.name, _start(file.path, PAGE_LIMIT_BYTES))


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
    hosts = {
        host.lower() for _, host in _SCRIPT.findall(_COMMENT.sub(b"", page)) if not host.lower().startswith(_LOCAL)
    }
    if hosts:
        shown = ", ".join(sorted(host.decode("ascii", "replace") for host in hosts)[:HOSTS_SHOWN])
        told = (
            f"{name} loads scripts from {shown}: what runs there can change without an update and without review; put "
            "them into the bundle if you can"
        )
        yield StoreWarning(StoreCode.REMOTE_SCRIPT, name, told)


def package_in(path: Path) -> str:
    """What kind of package a zip is, or what code it holds; "" for any other zip, and for what is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()[:MEMBERS_LIMIT]
            if kind := package_kind(frozenset(each.filename for each in members)):
                return kind
            for each in members:
                if _sounds_native(each.filename) and (kind := native_kind(_head_of(archive, each))):
                    return f"a zip with {kind} in it ({each.filename[:100]})"
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError, EOFError):
        return ""
    return ""


def _sounds_native(name: str) -> bool:
    """Which members of a zip are worth opening; their bytes decide."""
    return name.lower().endswith((".so", ".dylib", ".dex", ".exe", ".dll", ".class", ".a")) or ".framework/" in name


def _head_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as opened:
        return opened.read(HEAD_BYTES)


def _start(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)

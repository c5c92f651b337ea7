"""What a bundle's copies of native settings declare: the app's id, its permissions, where its start page is. Pure.

A live update changes none of this in the app that the store reviewed: such files in a bundle say what the build behind
it believes.
"""

import plistlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.parsers.expat import ExpatError, ParserCreate

import msgspec

NAMES = ("capacitor.config.json", "config.xml", "androidmanifest.xml", "info.plist")
DECLARATION_LIMIT_BYTES = 256 * 1024  # people's files have a few kB; a larger one is something else
PLIST_LIMIT_BYTES = 64 * 1024  # its binary form can hold keys that take quadratic time to read
ELEMENTS_LIMIT = 20_000
_ANDROID = "{http://schemas.android.com/apk/res/android}"
_USAGE = re.compile(r"NS[A-Za-z]+UsageDescription")
_LOCAL = re.compile(r"^(?:[a-z][a-z0-9+.-]*://)?(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/]|$)", re.IGNORECASE)


class Declared(NamedTuple):
    """Empty where the file says nothing of it, or cannot be read."""

    app_id: str = ""
    permissions: frozenset[str] = frozenset()
    start_page: str = ""  # of another machine


def is_declaration(name: str) -> bool:
    """Whether a file of that name in a bundle declares something."""
    return name.rpartition("/")[2].lower() in NAMES


def read_declared(name: str, content: bytes) -> Declared:
    """What is in the file. Never fails: what is no such file declares nothing."""
    base = name.rpartition("/")[2].lower()
    if len(content) > DECLARATION_LIMIT_BYTES:
        return Declared()
    if base == "capacitor.config.json":
        return _capacitor(content)
    if base == "info.plist":
        return _plist(content)
    return _xml(content, is_cordova=base == "config.xml")


def _capacitor(content: bytes) -> Declared:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Declared()
    settings: Mapping[str, Any] = found if isinstance(found, dict) else {}
    server = settings.get("server")
    url = server.get("url") if isinstance(server, dict) else None
    start = url if isinstance(url, str) and url and not _LOCAL.match(url) else ""
    app_id = settings.get("appId")
    return Declared(app_id if isinstance(app_id, str) else "", start_page=start)


def _plist(content: bytes) -> Declared:
    if len(content) > PLIST_LIMIT_BYTES:
        return Declared()
    try:
        found = plistlib.loads(content)
    except Exception:
        return Declared()
    if not isinstance(found, dict):
        return Declared()
    app_id = found.get("CFBundleIdentifier")
    known = app_id if isinstance(app_id, str) and "$" not in app_id else ""  # a variable of Xcode says nothing
    return Declared(known, frozenset(name for name in found if isinstance(name, str) and _USAGE.fullmatch(name)))


def _xml(content: bytes, *, is_cordova: bool) -> Declared:
    """Elements are read one by one; a document type, which could multiply them, is refused."""
    permissions, ids = set[str](), list[str]()
    left = ELEMENTS_LIMIT

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("too many elements")
        plain = tag.rpartition("}")[2]
        if plain in ("manifest", "widget") and not ids:
            ids.append(attributes.get("id" if is_cordova else "package", ""))
        if plain.startswith("uses-permission"):
            permissions.add(attributes.get(f"{_ANDROID}name", attributes.get("name", "")))

    parser = ParserCreate(namespace_separator="}")
    parser.StartElementHandler = lambda tag, given: begin(tag, {_named(name): value for name, value in given.items()})
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(content, True)
    except (ExpatError, ValueError):
        return Declared()
    return Declared(ids[0] if ids else "", frozenset(permissions - {""}))


def _named(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _refuse(*_: object) -> None:
    raise ValueError("document types are not read")

"""What in an app's folder decides whether updates will work, read from its files. Runs nothing and sends nothing.

Web files are searched for text only, so it does not matter whether a person or a bundler wrote it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.cli.app_folder.app_file import APP_FILE, AppFile, read_app_file, web_folder
from edge.cli.app_folder.capacitor import CapacitorConfig, read_capacitor, read_package
from edge.domain.errors import Invalid

PLUGIN_PACKAGE = "@capgo/capacitor-updater"
CORE_PACKAGE = "@capacitor/core"
KEY_NAMES = (".capgo_key_v2.pub", "keys/.capgo_key_v2.pub")  # where `edge keys create` and people put it
LOCK_LIMIT_BYTES = 64 * 1024 * 1024
WEB_FILES_LIMIT = 20_000  # searched; a bundle has no more
WEB_FILE_LIMIT_BYTES = 32 * 1024 * 1024
_SCRIPTS = (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".vue", ".svelte", ".html")
_SKIPPED = frozenset({"node_modules", ".git", "android", "ios", "electron", ".angular", ".nuxt", ".output"})
_READY = b"notifyAppReady"
TAG_LIMIT_CHARACTERS = 16 * 1024  # of one <meta>; the longest policies of real pages have 4,000
_META = re.compile(r"(?=<meta\b)", re.IGNORECASE)
_CSP = re.compile(
    r"<meta\b(?=[^>]*http-equiv\s*=\s*['\"]?content-security-policy\b)[^>]*?\bcontent\s*=\s*(?:\"([^\"]*)\"|'([^']*)')",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFolder:
    """What was read from an app's folder."""

    config: CapacitorConfig | None
    app_file: AppFile | None
    versions: Mapping[str, str]  # of PLUGIN_PACKAGE and CORE_PACKAGE: as installed or locked, else as in package.json
    web: Path
    web_is_there: bool
    calls_ready: bool  # notifyAppReady occurs in the web files or the sources
    policies: tuple[str, ...]  # of index.html
    key_file: Path | None
    key: str  # of the public key's file, empty: none


def read_app_folder(folder: Path, key_file: Path | None = None) -> AppFolder:
    """Raises Invalid for files that exist but cannot be parsed, and OSError."""
    config = read_capacitor(folder)
    app_file = read_app_file(folder / APP_FILE) if (folder / APP_FILE).is_file() else None
    web = _web(folder, app_file, config)
    key_file = key_file or _key_file(folder, app_file)
    return AppFolder(
        config=config,
        app_file=app_file,
        versions={name: found for name in (PLUGIN_PACKAGE, CORE_PACKAGE) if (found := _version(folder, name))},
        web=web,
        web_is_there=web.exists(),
        calls_ready=any(_READY in _read(path) for place in (web, folder / "src", folder) for path in _scripts(place)),
        policies=_policies(web / "index.html"),
        key_file=key_file,
        key=_public_key(key_file) if key_file else "",
    )


def _web(folder: Path, app_file: AppFile | None, config: CapacitorConfig | None) -> Path:
    if app_file is not None:
        return web_folder(folder / APP_FILE, app_file)
    return folder / ((config.text("webDir") if config else "") or "dist")


def same_key(one: str, other: str) -> bool:
    """Whether two public keys are equal, whatever their line breaks or JSON escapes."""
    return _letters(one) == _letters(other)


def _letters(key: str) -> str:
    return re.sub(r"-----[^-]*-----|\\n|\s", "", key)


def _key_file(folder: Path, app_file: AppFile | None) -> Path | None:
    """The key that publishing encrypts with, else a public key in a usual place."""
    named = (app_file.key,) if app_file and app_file.key else KEY_NAMES
    return next((folder / name for name in named if (folder / name).is_file()), None)


def _public_key(file: Path) -> str:
    """The PEM, for a private key its public half. Raises what `load_private_key` raises."""
    text = file.read_text(errors="replace")
    if "PRIVATE KEY" not in text:
        return text
    from edge.bundles.encryption.rsa_keys import load_private_key  # imports cryptography, only needed to encrypt

    return load_private_key(file).public.pem


def _version(folder: Path, package: str) -> str:
    """The installed version, else the locked one, else the range in package.json."""
    installed = read_package(folder / "node_modules" / package).get("version")
    if isinstance(installed, str):
        return installed
    declared = read_package(folder)
    asked = (_text(declared.get(part), package) for part in ("dependencies", "devDependencies"))
    return _locked(folder, package) or next(filter(None, asked), "")


def _text(found: Any, name: str) -> str:
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _locked(folder: Path, package: str) -> str:
    lock = _read(folder / "package-lock.json", LOCK_LIMIT_BYTES)
    if lock and (found := _npm_locked(lock, package)):
        return found
    name = re.escape(package)
    for file, pattern in (
        ("pnpm-lock.yaml", rf"^\s+'?/?{name}[@/](\d[\w.+-]*)"),
        ("yarn.lock", rf'^"?{name}@[^\n]*:\n\s+version:?\s+"?([\w.+-]+)"?'),
        ("bun.lock", rf'"{name}":\s*\["{name}@(\d[\w.+-]*)"'),
    ):
        text = _read(folder / file, LOCK_LIMIT_BYTES).decode(errors="replace")
        if match := re.search(pattern, text, re.MULTILINE):
            return match[1]
    return ""


def _npm_locked(lock: bytes, package: str) -> str:
    try:
        document = msgspec.json.decode(lock, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Invalid("invalid_package_lock", f"package-lock.json: {error}") from error
    for part, name in (("packages", f"node_modules/{package}"), ("dependencies", package)):
        entries = document.get(part)
        if isinstance(entries, dict) and (found := _text(entries.get(name), "version")):
            return found
    return ""


def _scripts(place: Path) -> Iterator[Path]:
    """The folder's own files first, then those below it, except for what is built or installed."""
    left, folders = WEB_FILES_LIMIT, [place]
    while folders:
        folder = folders.pop()
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                if path.name not in _SKIPPED and not path.is_symlink():
                    folders.append(path)
            elif path.name.endswith(_SCRIPTS):
                yield path
                left -= 1
                if not left:
                    return


def _read(path: Path, limit_bytes: int = WEB_FILE_LIMIT_BYTES) -> bytes:
    """Empty if there is no such file."""
    try:
        with path.open("rb") as file:
            return file.read(limit_bytes)
    except OSError:
        return b""


def _policies(index: Path) -> tuple[str, ...]:
    """Each tag is matched separately, so that a page full of unclosed tags costs no more than any other."""
    page = _read(index).decode(errors="replace")
    tags = (_CSP.match(tag[:TAG_LIMIT_CHARACTERS]) for tag in _META.split(page))
    return tuple(tag[1] or tag[2] for tag in tags if tag)

"""An app's own configuration: `capacitor.config.json`, `.ts` or `.js`, read as text, and `package.json`."""

import re
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge.cli.app_folder.literals import LITERALS_LIMIT_BYTES, read_object
from edge.domain.errors import Invalid

CONFIG_NAMES = ("capacitor.config.ts", "capacitor.config.json", "capacitor.config.js", "capacitor.config.mjs")
PLUGIN = "CapacitorUpdater"
SCRIPT_LIMIT_BYTES = 128 * 1024  # a person writes a few kB; it is parsed character by character
STARTS_LIMIT = 4  # of one kind; a file written by a person exports its settings once
_STARTS = (
    re.compile(r":\s*CapacitorConfig\s*=\s*(?=\{)"),
    re.compile(r"export\s+default\s+(?:defineConfig\(\s*)?(?=\{)"),
    re.compile(r"module\.exports\s*=\s*(?=\{)"),
)
_NAMED = re.compile(r"(?:export\s+default|module\.exports\s*=)\s+([A-Za-z_$][\w$]*)\s*(?:;|$)", re.MULTILINE)


class CapacitorConfig(NamedTuple):
    """The literal settings of a Capacitor configuration."""

    file: Path
    settings: dict[str, Any]
    unread: tuple[str, ...]  # paths of settings that are not literals

    @property
    def plugin(self) -> dict[str, Any]:
        """The updater plugin's own settings."""
        plugins = self.settings.get("plugins")
        found = plugins.get(PLUGIN) if isinstance(plugins, dict) else None
        return found if isinstance(found, dict) else {}

    def text(self, *path: str) -> str:
        """A setting that is a string, else empty."""
        found: Any = self.settings
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, str) else ""

    def is_unread(self, *path: str) -> bool:
        """Whether the setting, or an object around it, may exist but is not a literal."""
        names = [".".join(path[:end]) for end in range(1, len(path) + 1)]
        spreads = ["*", *(f"{name}.*" for name in names[:-1])]
        return any(name in self.unread for name in (*names, *spreads))


def read_capacitor(folder: Path) -> CapacitorConfig | None:
    """None if the folder has no such file. Raises Invalid `invalid_capacitor_config`, OSError."""
    for name in CONFIG_NAMES:
        file = folder / name
        if file.is_file():
            return _read_json(file) if name.endswith("json") else _read_script(file)
    return None


def read_package(folder: Path) -> dict[str, Any]:
    """`package.json`, empty if there is none. Raises Invalid `invalid_package_json`, OSError."""
    file = folder / "package.json"
    if not file.is_file():
        return {}
    return _decode(file, "invalid_package_json")


def read_text(file: Path, code: str, limit_bytes: int = LITERALS_LIMIT_BYTES) -> str:
    """The file's text. Raises Invalid `code` if it is too large or not UTF-8, and OSError."""
    with file.open("rb") as stream:
        content = stream.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise Invalid(code, f"{file.name} exceeds the limit of {limit_bytes} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(code, f"{file.name} is not UTF-8: {error}") from error


def _read_json(file: Path) -> CapacitorConfig:
    return CapacitorConfig(file, _decode(file, "invalid_capacitor_config"), ())


def _decode(file: Path, code: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(read_text(file, code).encode(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Invalid(code, f"{file.name}: {error}") from error


def _read_script(file: Path) -> CapacitorConfig:
    text = read_text(file, "invalid_capacitor_config", SCRIPT_LIMIT_BYTES)
    found = None
    for start in _starts(text):
        found = read_object(text, start)
        if found is not None and found.value:
            return CapacitorConfig(file, found.value, found.unread)
    raise Invalid(
        "invalid_capacitor_config",
        f"{file.name}: no settings in one literal object; use --app and --web instead",
    )


def _starts(text: str) -> list[int]:
    """Where the settings may begin, most likely first; few, since each may cost a read of the rest of the file."""
    found = [match.end() for start in _STARTS for match in islice(start.finditer(text), STARTS_LIMIT)]
    for named in islice(_NAMED.finditer(text), STARTS_LIMIT):
        constant = re.search(rf"(?:const|let|var)\s+{re.escape(named[1])}\b[^=\n]{{0,200}}=\s*(?=\{{)", text)
        found += [constant.end()] if constant else []
    return found

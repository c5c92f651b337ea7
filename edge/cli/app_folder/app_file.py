"""`edge.json`: what publishing an app needs to know, once, in the app's own folder.

    {"server": "https://control.example.com", "app": "com.example.app", "web": "dist",
     "channels": {"main": "production", "feature/*": "preview"}, "exclude": ["docs/"]}

It holds no secret: the token comes from the environment. Paths are relative to the file. Anyone may have written it, so
it alone neither sends a token to the address that it names nor publishes files from outside its folder.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from edge.cli.app_folder.capacitor import read_text
from edge.domain.errors import Invalid

APP_FILE = "edge.json"


class AppFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The content of edge.json."""

    server: str = ""  # the control API's address; empty: EDGE_URL, or this machine's node
    app: str
    web: str  # the built web folder, or a zip
    channels: dict[str, str] = {}  # by branch name or glob; the first match counts
    exclude: list[str] = []  # as --exclude
    include: list[str] = []  # as --include, except for files that look like secrets
    key: str = ""  # the file of the private key to encrypt with


def read_app_file(file: Path) -> AppFile:
    """Raises Invalid `no_app_file`, `invalid_app_file`, OSError."""
    if not file.is_file():
        raise Invalid(
            "no_app_file", f"{file} not found: run `edge init` in the app's folder, or use `edge bundle publish`"
        )
    try:
        return msgspec.json.decode(read_text(file, "invalid_app_file").encode(), type=AppFile)
    except msgspec.DecodeError as error:
        raise Invalid("invalid_app_file", f"{file}: {error}") from error


def web_folder(file: Path, app_file: AppFile) -> Path:
    """What is published; `file` is edge.json. Raises Invalid `web_outside` if it, or a link on its path, leads out of
    the folder."""
    path = file.parent / app_file.web
    if not path.resolve().is_relative_to(file.parent.resolve()):
        raise Invalid(
            "web_outside",
            f'{file}: "web" {app_file.web!r} leads out of the app\'s folder: build into the folder, or use '
            "`edge bundle publish`",
        )
    return path


def encode_app_file(app_file: AppFile) -> bytes:
    """The file's content: indented JSON."""
    return msgspec.json.format(msgspec.json.encode(app_file), indent=2) + b"\n"


def channel_of_branch(channels: Mapping[str, str], branch: str) -> str | None:
    """The channel of the first pattern that the branch matches; `*` matches slashes too. None: no pattern matches."""
    return next((channel for pattern, channel in channels.items() if fnmatchcase(branch, pattern)), None)

"""`edge.json`: what publishing an app needs to know, once, in the app's own folder.

    {"server": "https://control.example.com", "app": "com.example.app", "web": "dist",
     "channels": {"main": "production", "feature/*": "preview"}, "exclude": ["docs/"]}

No secret is in it: the token comes from the environment. Paths are relative to the file. It comes with
the folder, which may be anybody's: it gets no token sent to a server that nobody else named, nor anything
published from elsewhere.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from edge.cli.app_folder.capacitor import read_text
from edge.domain.errors import Invalid

APP_FILE = "edge.json"


class AppFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    server: str = ""  # the control port's address; empty: EDGE_URL, or this machine's own node
    app: str
    web: str  # the built web folder, or a zip
    channels: dict[str, str] = {}  # by branch: a name or a glob; the first that matches
    exclude: list[str] = []  # as --exclude
    include: list[str] = []  # as --include, except for files that look like secrets
    key: str = ""  # the private key's file, to encrypt


def read_app_file(file: Path) -> AppFile:
    """Raises Invalid `no_app_file`, `invalid_app_file`, OSError."""
    if not file.is_file():
        raise Invalid(
            "no_app_file", f"no {file} here: run `edge init` in the app's folder, or use `edge bundle publish`"
        )
    try:
        return msgspec.json.decode(read_text(file, "invalid_app_file").encode(), type=AppFile)
    except msgspec.DecodeError as error:
        raise Invalid("invalid_app_file", f"{file}: {error}") from error


def web_folder(file: Path, app_file: AppFile) -> Path:
    """What is published, `file` being edge.json. Raises Invalid `web_outside` where it, or a link on the way to it,
    leads out of the folder."""
    path = file.parent / app_file.web
    if not path.resolve().is_relative_to(file.parent.resolve()):
        raise Invalid(
            "web_outside",
            f'{file}: "web" {app_file.web!r} leads out of the app\'s folder; build into it, or name the place with '
            "`edge bundle publish`",
        )
    return path


def encode_app_file(app_file: AppFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(app_file), indent=2) + b"\n"


def channel_of_branch(channels: Mapping[str, str], branch: str) -> str | None:
    """The channel of the first pattern that the branch matches; `*` crosses slashes. None: of none."""
    return next((channel for pattern, channel in channels.items() if fnmatchcase(branch, pattern)), None)

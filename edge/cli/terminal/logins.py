"""The tokens that `edge login` stored for this user: one per control API, in a file that only the user can read.

The file is written under another name and then renamed, so a reader sees the old one or the new one.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from edge.cli.terminal.client import parse_address
from edge.domain.errors import Invalid

LOGINS_FORMAT = 1
LOGINS_LIMIT_BYTES = 1024 * 1024  # of the file; a login takes about 150
_FILE = "logins.json"
_PORTS = {"http": 80, "https": 443}


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the token's name, `expires` in seconds since the epoch; None: never."""

    token: str
    name: str
    expires: float | None


class _Logins(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    servers: dict[str, Login]


class Logins:
    """The stored logins; `environ` gives the user's configuration folder."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        # XDG base directory specification: a relative path is ignored.
        home = environ.get("XDG_CONFIG_HOME", "")
        folder = Path(home) if home.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".config"
        self.file = folder / "edge" / _FILE

    def read(self) -> dict[str, Login]:
        """Logins by address. Raises Invalid `invalid_logins`, `exposed_logins`, and OSError."""
        try:
            with self.file.open("rb") as stream:
                if os.fstat(stream.fileno()).st_mode & 0o077:
                    raise Invalid(
                        "exposed_logins", f"other users can read {self.file}: revoke its tokens, and chmod 600 it"
                    )
                content = stream.read(LOGINS_LIMIT_BYTES)
        except FileNotFoundError:
            return {}
        try:
            found = msgspec.json.decode(content, type=_Logins)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid("invalid_logins", f"{self.file} is invalid: {error}; delete it and log in again") from error
        if found.format != LOGINS_FORMAT:
            raise Invalid(
                "invalid_logins", f"{self.file} has format {found.format}, which another version of edge wrote"
            )
        return found.servers

    def token_for(self, url: str) -> str | None:
        """Raises as `read`, and Invalid `invalid_url`."""
        login = self.read().get(server_of(url))
        return login.token if login is not None else None

    def store(self, url: str, login: Login) -> None:
        self._write({**self.read(), server_of(url): login})

    def remove(self, url: str) -> Login | None:
        """The login that was stored, or None."""
        servers = self.read()
        gone = servers.pop(server_of(url), None)
        if gone is not None:
            self._write(servers)
        return gone

    def _write(self, servers: dict[str, Login]) -> None:
        content = msgspec.json.encode(_Logins(format=LOGINS_FORMAT, servers=dict(sorted(servers.items()))))
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = self.file.with_name(f".{_FILE}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            scratch.replace(self.file)
        finally:
            with suppress(FileNotFoundError):
                scratch.unlink()


def server_of(url: str) -> str:
    """The canonical spelling of a control API's address. Raises Invalid `invalid_url`."""
    host, port = parse_address(url)
    parts = urlsplit(url)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}"

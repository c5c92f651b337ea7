"""Which control port a verb talks to, and with which token, where nobody says so.

A token is looked for among the stored logins, and for a node of this machine in its data directory, where the first
admin's appears a moment after the start.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge.cli.client import parse_address
from edge.cli.logins import Logins
from edge.cli.output import note
from edge.config import Config, is_loopback, load_config
from edge.domain.errors import EdgeError, Unauthorized, Unavailable

TOKEN_LIMIT_BYTES = 4_096  # of a token file; a token has 48 characters
START_SECONDS = 10.0  # in which a node that has begun to make its data directory has made its token
BEGIN_SECONDS = 2.0  # in which a process that was started a moment ago has begun to
PAUSE_SECONDS = 0.1


def address(config_file: Path | None) -> str:
    """The control port of the node that this machine's configuration starts. Raises ConfigError, OSError."""
    return own_address(load_config(config_file, os.environ))


def own_address(config: Config) -> str:
    control = config.control
    host = control.host if is_loopback(control.host) else "127.0.0.1"
    scheme = "https" if control.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{control.port}"


def token(url: str, config_file: Path | None) -> str:
    """The stored one for this control port, or the first admin's of the node on this machine. Raises Unauthorized
    `no_token`, Unavailable `starting`, ConfigError, and what reading logins raises."""
    stored = Logins(os.environ).token_for(url)
    if stored is not None:
        return stored
    if not is_loopback(parse_address(url)[0]):
        raise Unauthorized("no_token", f"{url} needs a token: `edge login {url}`, --token or EDGE_TOKEN")
    return own_token(load_config(config_file, os.environ).admin_token_file)


def own_token(file: Path, pause: Callable[[float], None] = time.sleep) -> str:
    """Waits for a node that is starting: a while for its directory, and longer for the token in it."""
    waited, told = 0.0, False
    while True:
        try:
            with file.open("rb") as stream:
                return stream.read(TOKEN_LIMIT_BYTES).decode("ascii", "replace").strip()
        except FileNotFoundError as error:
            has_begun = file.parent.is_dir()
            if waited >= (START_SECONDS if has_begun else BEGIN_SECONDS):
                raise _missing(file, has_begun) from error
        except OSError as error:
            raise Unauthorized("no_token", f"no token: {file}: {error.strerror}") from error
        if has_begun and not told:
            note("waiting for the node to start")
            told = True
        pause(PAUSE_SECONDS)
        waited += PAUSE_SECONDS


def _missing(file: Path, has_begun: bool) -> EdgeError:
    if has_begun:
        return Unavailable(
            "starting", f"the node is still starting, or did not start: {file} is not there yet; try again"
        )
    return Unauthorized(
        "no_token", f"no token: `edge login URL`, --token or EDGE_TOKEN; and no node has its data here ({file})"
    )

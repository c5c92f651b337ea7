"""Which control port a verb talks to, and with which token, where nobody says so.

A token is looked for among the stored logins, and for the control port that the configuration names in its data
directory, where the first admin's appears a moment after the start. No other port gets that one.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge.cli.terminal.client import parse_address
from edge.cli.terminal.logins import Logins, server_of
from edge.cli.terminal.output import note
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
    config = load_config(config_file, os.environ)
    if not _is_own(url, config):
        here = is_loopback(parse_address(url)[0])
        own = f"; the one of this machine's node is for {own_address(config)} (EDGE_CONTROL_PORT)" if here else ""
        raise Unauthorized("no_token", f"{url} needs a token: `edge login {url}`, --token or EDGE_TOKEN{own}")
    return own_token(config.admin_token_file)


def token_for_named(server: str, given: str | None, config_file: Path | None) -> str:
    """The token for a server that only a file of the app's folder names, which may be anybody's: the stored one, or for
    this machine's own node what it would get unnamed. `given`, by --token or EDGE_TOKEN, is for a server that the same
    person named. Raises Unauthorized `unnamed_server`, and as `token`."""
    if _is_own(server, load_config(config_file, os.environ)):
        return given or token(server, config_file)
    stored = Logins(os.environ).token_for(server)
    if stored is not None:
        return stored
    if given:
        raise Unauthorized(
            "unnamed_server",
            f"only the app's own file names {server}, so it gets no token from --token or EDGE_TOKEN: name it with "
            f"--url or EDGE_URL too, or `edge login {server}`",
        )
    raise Unauthorized(
        "no_token", f"{server} needs a token: `edge login {server}`; or EDGE_URL, or --url, with EDGE_TOKEN"
    )


def _is_own(url: str, config: Config) -> bool:
    """Whether this is the control port that the configuration names, also as `localhost`."""
    own = own_address(config)
    scheme, port = own.partition(":")[0], config.control.port
    return server_of(url) in (server_of(own), server_of(f"{scheme}://localhost:{port}"))


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

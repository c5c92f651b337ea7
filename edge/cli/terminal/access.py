"""Which control API a verb talks to, and with which token, where no option gives them.

The token comes from the stored logins. For the node of this machine's configuration it may also come from the data
directory, where the first admin's token appears shortly after the start; that token goes to no other address.
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
START_SECONDS = 10.0  # a node that has created its data directory has written its token by then
BEGIN_SECONDS = 2.0  # a process that was just started has created its data directory by then
PAUSE_SECONDS = 0.1
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # hosts to listen on, not to connect to


def address(config_file: Path | None) -> str:
    """The control API's address in this machine's configuration. Raises ConfigError, OSError."""
    return own_address(load_config(config_file, os.environ))


def own_address(config: Config) -> str:
    """The control API's address on this machine; a host that is not loopback is reached as 127.0.0.1."""
    control = config.control
    host = control.host if is_loopback(control.host) else "127.0.0.1"
    scheme = "https" if control.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{control.port}"


def device_address() -> str:
    """The device port's address in this machine's configuration, which EDGE_CONFIG and EDGE_DEVICES_* may name.
    Raises ConfigError, OSError."""
    devices = load_config(None, os.environ).devices
    host = "127.0.0.1" if devices.host in EVERY_ADDRESS else devices.host
    scheme = "https" if devices.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{devices.port}"


def token(url: str, config_file: Path | None) -> str:
    """The token stored for this address, or the first admin's for the node on this machine. Raises Unauthorized
    `no_token`, Unavailable `starting`, ConfigError, and what `Logins.read` raises."""
    stored = Logins(os.environ).token_for(url)
    if stored is not None:
        return stored
    config = load_config(config_file, os.environ)
    if not _is_own(url, config):
        here = is_loopback(parse_address(url)[0])
        own = f"; this machine's node is at {own_address(config)} (EDGE_CONTROL_PORT)" if here else ""
        raise Unauthorized("no_token", f"no token for {url}: use `edge login {url}`, --token or EDGE_TOKEN{own}")
    if config.role == "region":
        told = (
            f"this node follows another one, which makes the tokens: give --token or EDGE_TOKEN, or `edge login {url}`"
        )
        raise Unauthorized("no_token", told)
    return own_token(config.admin_token_file)


def token_for_named(server: str, given: str | None, config_file: Path | None) -> str:
    """The token for an address that only the app's edge.json names, which anyone may have written: the stored token, or
    for this machine's node whatever it would get otherwise. `given`, from --token or EDGE_TOKEN, is only for an address
    that the same person named. Raises Unauthorized `unnamed_server`, and as `token`."""
    if _is_own(server, load_config(config_file, os.environ)):
        return given or token(server, config_file)
    stored = Logins(os.environ).token_for(server)
    if stored is not None:
        return stored
    if given:
        raise Unauthorized(
            "unnamed_server",
            f"--token and EDGE_TOKEN are not sent to {server}, which only the app's own file names: name it with --url "
            f"or EDGE_URL too, or use `edge login {server}`",
        )
    raise Unauthorized(
        "no_token", f"no token for {server}: use `edge login {server}`, or EDGE_TOKEN together with EDGE_URL or --url"
    )


def _is_own(url: str, config: Config) -> bool:
    """Whether this is the configuration's own address, also when written as `localhost`."""
    own = own_address(config)
    scheme, port = own.partition(":")[0], config.control.port
    return server_of(url) in (server_of(own), server_of(f"{scheme}://localhost:{port}"))


def own_token(file: Path, pause: Callable[[float], None] = time.sleep) -> str:
    """The first admin's token. Waits for a node that is starting: BEGIN_SECONDS for its directory, START_SECONDS for
    the file. Raises Unauthorized `no_token`, Unavailable `starting`."""
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
            raise Unauthorized("no_token", f"cannot read the token in {file}: {error.strerror}") from error
        if has_begun and not told:
            note("waiting for the node to start")
            told = True
        pause(PAUSE_SECONDS)
        waited += PAUSE_SECONDS


def _missing(file: Path, has_begun: bool) -> EdgeError:
    if has_begun:
        return Unavailable(
            "starting",
            f"the node is still starting or has failed to start: {file} does not exist yet; try again",
        )
    return Unauthorized(
        "no_token", f"no token: use `edge login URL`, --token or EDGE_TOKEN; no node has its data here ({file})"
    )

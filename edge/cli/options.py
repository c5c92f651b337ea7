"""The options that every verb has, and what they stand for: a client of the control port and a place for the result.

On the node's own machine nobody types a token: with a loopback address the first admin's is read from the data
directory that the configuration names.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edge.cli.client import Client, parse_address
from edge.cli.output import Output
from edge.config import is_loopback, load_config
from edge.domain.errors import Unauthorized

TOKEN_LIMIT_BYTES = 4_096  # of a token file; a token has 48 characters

F = TypeVar("F", bound=Callable[..., Any])

_json = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document.")
_config = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="EDGE_CONFIG",
    help="The node's configuration file (EDGE_CONFIG).",
)
_url = click.option(
    "--url", envvar="EDGE_URL", help="Control port (EDGE_URL); else the configured one of this machine."
)
_token = click.option(
    "--token", envvar="EDGE_TOKEN", help="Access token (EDGE_TOKEN); on the node's machine not needed."
)


def with_output(command: F) -> F:
    """Adds --json; the command gets an Output first."""

    @_json
    @functools.wraps(command)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        return command(Output(as_json), *args, **kwargs)

    return run  # type: ignore[return-value]


def with_config(command: F) -> F:
    """Adds --config, the file or None, as `config_file`."""
    return _config(command)


def with_api(command: F) -> F:
    """Adds --url --token --config --json; the command gets an open Client and an Output first."""

    @_url
    @_token
    @_config
    @_json
    @functools.wraps(command)
    def run(
        *args: Any, url: str | None, token: str | None, config_file: Path | None, as_json: bool, **kwargs: Any
    ) -> Any:
        url = url or _own_address(config_file)
        client = Client(url, token or _own_token(url, config_file))
        try:
            return command(client, Output(as_json), *args, **kwargs)
        finally:
            client.close()

    return run  # type: ignore[return-value]


def _own_address(config_file: Path | None) -> str:
    """The control port of the node that this machine's configuration starts. Raises ConfigError, OSError."""
    control = load_config(config_file, os.environ).control
    host = control.host if is_loopback(control.host) else "127.0.0.1"
    scheme = "https" if control.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{control.port}"


def _own_token(url: str, config_file: Path | None) -> str:
    """The first admin's token of the node on this machine. Raises Unauthorized `no_token`, ConfigError."""
    if not is_loopback(parse_address(url)[0]):
        raise Unauthorized("no_token", f"{url} needs a token: --token or EDGE_TOKEN")
    file = load_config(config_file, os.environ).admin_token_file
    try:
        with file.open("rb") as stream:
            return stream.read(TOKEN_LIMIT_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        raise Unauthorized(
            "no_token", f"no token: --token or EDGE_TOKEN, or a node's data directory ({file}: {error.strerror})"
        ) from error

"""The options that every verb has, and what they stand for: a client of the control port and a place for the result.

What nobody says of the control port and the token, `access` finds.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edge.cli.terminal import access
from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.output import Output

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
    "--token",
    envvar="EDGE_TOKEN",
    help="Access token (EDGE_TOKEN); not needed after `edge login`, or on the node's machine.",
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
        url = url or access.address(config_file)
        client = ControlClient(url, token or access.token(url, config_file))
        try:
            return command(client, Output(as_json), *args, **kwargs)
        finally:
            client.close()

    return run  # type: ignore[return-value]

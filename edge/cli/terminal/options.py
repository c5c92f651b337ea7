"""The options that verbs share, and what they become: a client of the control API and a place for the result.

`access` finds the address and the token that no option gives.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edge.cli.terminal import access
from edge.cli.terminal.client import ControlClient, warn_of_plain_http
from edge.cli.terminal.not_taken import NOT_SERVED, warn_beside_answers, warn_of_not_taken
from edge.cli.terminal.output import Output
from edge.cli.terminal.waiting import WAITS, ChangeWaits, print_waits
from edge.domain.errors import EdgeError

F = TypeVar("F", bound=Callable[..., Any])

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_config = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="EDGE_CONFIG",
    help="Node configuration file (EDGE_CONFIG); default: ./edge.toml, if there is one.",
)
_url = click.option(
    "--url",
    metavar="URL",
    envvar="EDGE_URL",
    help="Address of the control API (EDGE_URL); default: this machine's node.",
)
_token = click.option(
    "--token",
    metavar="TOKEN",
    envvar="EDGE_TOKEN",
    help="Access token (EDGE_TOKEN); not needed after `edge login` or on the node's machine.",
)


def with_output(command: F) -> F:
    """Adds --json; the command gets an Output as its first argument."""

    @_json
    @functools.wraps(command)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        return command(Output(as_json), *args, **kwargs)

    return run  # type: ignore[return-value]


def with_config(command: F) -> F:
    """Adds --config; the command gets the file or None as `config_file`."""
    return _config(command)


def with_change(command: F) -> F:
    """As `with_api`, for a verb that changes an app: adds --reason, which the history keeps, and --wait."""

    @click.option("--reason", default="", metavar="TEXT", help="Why, for the history: up to 500 characters.")
    @click.option("--wait", "waits", is_flag=True, help="If the change needs approval, wait for the decision.")
    @functools.wraps(command)
    def run(client: ControlClient, *args: Any, reason: str, waits: bool, **kwargs: Any) -> Any:
        client.reason, client.waits = reason, waits
        return command(client, *args, **kwargs)

    return with_api(run)  # type: ignore[return-value]


def with_api(command: F) -> F:
    """Adds --url --token --config --json; the command gets a ControlClient and an Output as its first arguments. What
    is wrong with the answers' store, and what the node's workers did not take of its changes, is said at its end."""

    @_url
    @_token
    @_config
    @_json
    @functools.wraps(command)
    def run(
        *args: Any, url: str | None, token: str | None, config_file: Path | None, as_json: bool, **kwargs: Any
    ) -> Any:
        url = url or access.address(config_file)
        token = token or access.token(url, config_file)
        warn_of_plain_http(url)
        client, refusal = ControlClient(url, token), ""
        try:
            result = command(client, Output(as_json), *args, **kwargs)
        except ChangeWaits as waits:
            answer = waits.answer
            Output(as_json).result(answer, lambda: print_waits(answer))
            raise click.exceptions.Exit(WAITS) from waits
        except EdgeError as error:
            refusal = error.message
            raise
        finally:
            client.close()
            warn_beside_answers(client.warnings, refusal)
        if warn_of_not_taken(client.not_taken):
            raise click.exceptions.Exit(NOT_SERVED)
        return result

    return run  # type: ignore[return-value]

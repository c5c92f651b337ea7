"""What a change replaced on a channel, as the command line tells it: which bundle, since when, by whom; and what it
ended."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from edge.cli.output import line, moment

F = TypeVar("F", bound=Callable[..., Any])


def replacing_options(command: F) -> F:
    """On which terms a channel gets another bundle."""
    options = (
        click.option("--force", is_flag=True, help="End a rollout or an experiment that is on its way there."),
        click.option("--downgrade", is_flag=True, help="Allow a version below the one that the channel offers."),
        click.option("--if-current", metavar="V|builtin|nothing", help="Only if the channel offers this now."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def instead_of(replaced: dict[str, Any] | None) -> str:
    """` instead of 1.0.1 (since 2026-01-31 12:00:00Z, by ci)`; empty where nothing was replaced."""
    if replaced is None or replaced["bundle"] is None:
        return ""
    by = f", by {replaced['by']}" if replaced["by"] else ""
    return f" instead of {replaced['bundle']} (since {moment(replaced['changed'])}{by})"


def tell_ended(replaced: dict[str, Any] | None) -> None:
    for text in _ended(replaced or {"rollout": None, "experiment": None}):
        line(text)


def _ended(replaced: dict[str, Any]) -> Iterator[str]:
    if rollout := replaced["rollout"]:
        yield f"this ended the rollout of {rollout['bundle']}: {rollout['phase'].replace('_', ' ')}"
    if replaced["experiment"]:
        yield f"this ended experiment {replaced['experiment']}, without a winner"

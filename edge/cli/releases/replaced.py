"""What a change replaced on a channel, as the command line prints it: which bundle, since when, by whom, and the
rollout or experiment that it ended."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from edge.cli.terminal.output import counted, line, moment

F = TypeVar("F", bound=Callable[..., Any])


def meant_options(command: F) -> F:
    """Adds --downgrade and --again, which allow what is most often a mistake."""
    again = click.option("--again", is_flag=True, help="Allow a version that the channel was rolled back from.")
    lower = click.option("--downgrade", is_flag=True, help="Allow a version lower than the one the channel offers.")
    return lower(again(command))


def replacing_options(command: F) -> F:
    """Adds the options for the terms on which a channel gets another bundle."""
    force = click.option("--force", is_flag=True, help="End a rollout or experiment that runs on the channel.")
    current = click.option(
        "--if-current", metavar="V|builtin|nothing", help="Proceed only if the channel offers this now."
    )
    return force(meant_options(current(command)))


def instead_of(replaced: dict[str, Any] | None) -> str:
    """` instead of 1.0.1 (since 2026-01-31 12:00:00Z, by ci)`, or ` instead of 1.0.0 (1.0.1 withdrawn)`; empty if it
    replaced nothing."""
    if replaced is None or replaced["bundle"] is None:
        return ""
    if replaced["withdrawn"]:
        return f" instead of {replaced['bundle']} ({replaced['withdrawn']} withdrawn)"
    by = f", by {replaced['by']}" if replaced["by"] else ""
    return f" instead of {replaced['bundle']} (since {moment(replaced['changed'])}{by})"


def print_moves(impact: dict[str, Any] | None) -> None:
    """Print how many known devices move at their next check; nothing if nothing changed."""
    if impact is None:
        return None
    seen = impact["devices"]
    if seen is None:
        return line("known devices could not be counted now")
    return line(f"{seen['touched']} of {counted(seen['devices'], 'known device')} will move at the next check")


def print_rolling(rollout: dict[str, Any]) -> None:
    """Print when the rollout's next step begins, and what watches it."""
    steps, guard = rollout["steps"], rollout["guard"]
    if rollout["gated"]:
        opens = f" from {moment(rollout['gate_opens'])} on" if rollout["gate_opens"] else ""
        following = f"the next step begins once the guard knows enough{opens}"
    else:
        following = (
            f"the next step at {moment(rollout['next_step_at'])}" if rollout["next_step_at"] else "no step by itself"
        )
    line(f"step {rollout['step']} of {len(steps)} ({', '.join(steps)}); {following}")
    if guard is None:
        return line("no guard watches it (edge guard set)")
    words = {"pause": "pauses it", "rollback": "takes it back", "notify": "says so"}
    return line(f"the guard {words[guard['action']]} if more than {guard['max_failure']} of the installs fail")


def print_ended(replaced: dict[str, Any] | None) -> None:
    """Print the rollout and the experiment that the change ended."""
    for text in _ended(replaced or {"rollout": None, "experiment": None}):
        line(text)


def _ended(replaced: dict[str, Any]) -> Iterator[str]:
    if rollout := replaced["rollout"]:
        yield f"this ended the rollout of {rollout['bundle']}: {rollout['phase'].replace('_', ' ')}"
    if replaced["experiment"]:
        yield f"this ended experiment {replaced['experiment']}, without a winner"

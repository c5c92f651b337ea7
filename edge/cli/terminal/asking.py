"""Confirmation of a change that takes something from devices: a one-screen summary of those affected, and a question.

The summary is the node's answer to the same request as a dry run, so a request that the node refuses is refused before
the question. Without a terminal, `--yes` is the answer; without that, nothing changes and the exit code is 2.
"""

import functools
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import click

from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.output import Output, counted, line, moment, note

SHOWN_LIMIT = 8  # channels, bundles, groups of devices: what fits on one screen; --json has more
NOBODY_THERE = 2  # as for wrong usage: nothing was sent
_DOING = {
    "accept": "accepting",
    "create": "creating",
    "delete": "deleting",
    "promote": "promoting",
    "prune": "pruning",
    "publish": "publishing",
    "replace": "replacing",
    "revive": "reviving",
    "set": "setting",
    "undo": "undoing",
    "withdraw": "withdrawing",
}

F = TypeVar("F", bound=Callable[..., Any])
Foreseen = dict[str, Any]


class Asking(NamedTuple):
    """The values of `--yes` and `--dry-run`."""

    yes: bool
    dry_run: bool


class ControlRequest(NamedTuple):
    """A request to the control API; `body` is encoded as JSON."""

    method: str
    path: str
    body: Any = None


class ConfirmationNeeded(click.ClickException):
    """A change needs confirmation, and no terminal is there to ask. One line on stderr, exit code 2."""

    exit_code = NOBODY_THERE

    def show(self, file: Any = None) -> None:
        click.echo(f"edge: {self.message}", err=True)


def with_asking(command: F) -> F:
    """Adds --yes and --dry-run, as an Asking called `asking`."""

    @click.option("--yes", "-y", is_flag=True, help="Skip the confirmation.")
    @click.option("--dry-run", is_flag=True, help="Show the change and the devices it affects, without making it.")
    @functools.wraps(command)
    def run(*args: Any, yes: bool, dry_run: bool, **kwargs: Any) -> Any:
        return command(*args, asking=Asking(yes, dry_run), **kwargs)

    return run  # type: ignore[return-value]


def without_asking(command: F) -> F:
    """For a verb that stops something or goes on as planned: its Asking is a yes."""
    answered = functools.partial(command, asking=Asking(yes=True, dry_run=False))
    return takes_yes(functools.wraps(command)(answered))  # type: ignore[return-value]


def takes_yes(command: F) -> F:
    """Adds --yes to a verb that asks nothing, so that a script may give it to every verb that changes a release."""

    @click.option("--yes", "-y", is_flag=True, help="Changes nothing here: this verb does not ask.")
    @functools.wraps(command)
    def run(*args: Any, yes: bool, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    return run  # type: ignore[return-value]


def carry_out(
    client: ControlClient,
    out: Output,
    asking: Asking,
    request: ControlRequest,
    what: str | Callable[[Foreseen], str],
    *,
    settle: Callable[[Foreseen], Any] | None = None,
    type_in: str = "",
) -> Any:
    """The node's answer to the request, sent once the user has confirmed it. `what` names the change; `settle` returns
    the body that pins what the summary showed; `type_in` must be typed in place of a yes.

    Raises ConfirmationNeeded, and click's Exit after a dry run or a no.
    """
    if asking.yes and not asking.dry_run:
        return client.send(*request)
    foreseen = client.send(request.method, f"{request.path}?dry_run=true", request.body)
    name = what if isinstance(what, str) else what(foreseen)
    if asking.dry_run:
        out.result(foreseen, lambda: _print_text(name, foreseen, line))
        raise click.exceptions.Exit(0)
    if not foreseen["changed"]:  # nothing to confirm, and nothing to send
        return {key: value for key, value in foreseen.items() if key not in ("dry_run", "impact", "needs_approval")}
    require_answer(asking, name, foreseen["impact"]["devices"])
    _print_text(name, foreseen, note)
    ask(type_in)
    body = request.body if settle is None else settle(foreseen)
    return client.send(request.method, request.path, body)


def require_answer(asking: Asking, what: str, devices: dict[str, Any] | None = None) -> None:
    """Raises ConfirmationNeeded if neither a terminal nor an option can answer. `devices` is the impact on devices, if
    known."""
    if not (asking.yes or asking.dry_run or (sys.stdin.isatty() and sys.stderr.isatty())):
        seen = "which devices it affects" if devices and devices["touched"] else "what it would do"
        raise ConfirmationNeeded(
            f"{_doing(what)} needs confirmation: add --yes, or --dry-run to see {seen}; nothing was changed"
        )


def _doing(what: str) -> str:
    """`withdrawing 1.0.3 of com.acme`, without what follows, such as the reason."""
    verb, _, rest = re.split("[:,] ", what)[0].partition(" ")
    return f"{_DOING[verb]} {rest}"


def ask(type_in: str = "") -> None:
    """Raises click's Exit for a no."""
    if type_in:
        agreed = click.prompt(f"type {type_in} to confirm", default="", show_default=False, err=True) == type_in
    else:
        agreed = click.confirm("Continue?", err=True)
    if not agreed:
        note("nothing was changed")
        raise click.exceptions.Exit(1)


def require_decision(doing: str) -> None:
    """Raises ConfirmationNeeded if no terminal can answer. `doing` needs a decision: `approving proposal p1`."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfirmationNeeded(f"{doing} needs confirmation: add --yes; nothing was changed")


def impact_lines(impact: dict[str, Any]) -> Iterator[str]:
    """What a change does, in sentences."""
    return _sentences(impact)


def _print_text(what: str, foreseen: Foreseen, say: Callable[[str], None]) -> None:
    say(what)
    if not foreseen["changed"]:
        return say("  changes nothing")
    for text in _sentences(foreseen["impact"]):
        say(f"  {text}")
    if waits := foreseen.get("needs_approval"):
        say(f"  not made at once: {waits}")
    return None


def _sentences(impact: dict[str, Any]) -> Iterator[str]:
    channels = impact["channels"]
    for each in channels[:SHOWN_LIMIT]:
        yield _channel(each)
    more = len(channels[SHOWN_LIMIT:]) + impact["more_channels"]
    if more:
        yield f"and {counted(more, 'channel')} more"
    features = impact.get("features", ())  # a node of an earlier release has none
    if not channels and not features:
        yield "no channel changes its offer"
    for each in features[:SHOWN_LIMIT]:
        yield _feature(each)
    for verb in ("withdrawn", "removed"):
        if bundles := impact[verb]:
            rest = f", and {len(bundles) - SHOWN_LIMIT} more" if len(bundles) > SHOWN_LIMIT else ""
            yield f"{verb}: {', '.join(bundles[:SHOWN_LIMIT])}{rest}"
    yield from _devices(impact)


def _feature(each: dict[str, Any]) -> str:
    name, touched = f"feature {each['feature']}", each["touched"]
    if touched is None:
        return f"{name}: may give devices another value"
    moves = "; ".join(
        f"{counted(move['devices'], 'device')} {_json(move['becomes'])} instead of {_json(move['was'])}"
        for move in each["moves"][:SHOWN_LIMIT]
    )
    return f"{name}: {counted(touched, 'device')} get another value" + (f": {moves}" if moves else "")


def _json(value: Any) -> str:
    return "no value" if value is None else json.dumps(value, ensure_ascii=False)


def _channel(each: dict[str, Any]) -> str:
    name, before, after = f"channel {each['channel']}", each["before"], each["after"]
    if after is None:
        return f"{name}: is deleted; it {_offers(before)}"
    if before is None:
        return f"{name}: is new; {_offers(after)}, {_visibility(after)}"
    said = [f"{_offers(after)} instead of {_bundle(before)}" if before["bundle"] != after["bundle"] else _offers(after)]
    if before["public"] != after["public"]:
        said.append(f"becomes {_visibility(after)}")
    for kind, words in (("rollout", "the rollout of"), ("experiment", "experiment")):
        if before[kind] != after[kind]:
            said.append(f"{words} {before[kind]} ends" if before[kind] else f"{words} {after[kind]} runs")
    back = after["bundle"] if after["rollout"] else after["last_good"]  # what a roll back would leave
    said.append(f"falls back to {back or 'builtin'}")
    return f"{name}: {', '.join(said)}"


def _devices(impact: dict[str, Any]) -> Iterator[str]:
    seen = impact["devices"]
    if seen is None:
        yield "known devices could not be counted now"
        return
    since = f" from reports since {moment(seen['since'])}" if seen["since"] else ""
    more = ", and more that were not counted" if seen["cut"] else ""
    yield f"{counted(seen['devices'], 'known device')}{since}{more}{_changing(seen)}"
    for each in seen["moves"][:SHOWN_LIMIT]:
        yield f"  {counted(each['devices'], 'device')}{_move(each)}"
    concerned = {
        *impact["withdrawn"],
        *impact["removed"],
        *(c["before"]["bundle"] for c in impact["channels"] if c["before"]),
    }
    for each in seen["running"]:
        if each["bundle"] in concerned:
            yield f"  {counted(each['devices'], 'device')} on {each['bundle']} now"


def _changing(seen: dict[str, Any]) -> str:
    if not seen["devices"]:
        return ""
    touched = seen["touched"]
    return f"; {touched or 'none'} of them affected" + (":" if touched else "")


def _move(each: dict[str, Any]) -> str:
    if each.get("runs") == each["becomes"]:  # a node of an earlier release does not report what they run
        stays = "keeps" if each["devices"] == 1 else "keep"
        return f" {stays} {each['becomes']} and will not get {each['was']}"
    return f": {each['becomes']} instead of {each['was']}"


def _offers(view: dict[str, Any]) -> str:
    return f"offers {_bundle(view)}"


def _bundle(view: dict[str, Any]) -> str:
    return view["bundle"] or "nothing"


def _visibility(view: dict[str, Any]) -> str:
    return "public" if view["public"] else "private"

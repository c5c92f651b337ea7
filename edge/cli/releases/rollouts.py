"""`edge rollout`: a bundle offered to a channel's devices, share by share: preview, start, show and move it.

The moves, their help and the diagram all come from the life-cycle table of the domain.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from edge.cli.figures.sides import get_sides, show_sides
from edge.cli.releases.replaced import meant_options, print_moves
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, takes_yes, with_asking, without_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change, with_output
from edge.cli.terminal.output import Output, counted, fields, line, moment, table
from edge.domain.model import Phase
from edge.domain.schedule.durations import format_duration, parse_duration
from edge.domain.schedule.rollout import LIFE_CYCLE, Move, life_cycle_diagram, life_cycle_lines

_CHANGE_ID = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)

F = TypeVar("F", bound=Callable[..., Any])

LISTED_MOST = 1_000  # devices per step; the node's own limit
GROUP_DEFAULT = "control"
EPILOG = "\b\nMoves, with the phase before and after:\n" + "\n".join(f"  {each}" for each in life_cycle_lines())


def plan_options(command: F) -> F:
    """Adds the options of `start` and `preview`, which describe the rollout."""
    options = (
        click.option("--bundle", required=True, metavar="VERSION", help="Version to roll out."),
        click.option(
            "--steps", required=True, metavar="P,P,…", help="Rising shares in percent, such as 1,5,25,50,100."
        ),
        click.option("--every", metavar="DURATION", help="Duration of a step, such as 6h; default: until advanced."),
        click.option(
            "--segment",
            "segments",
            multiple=True,
            metavar="NAME",
            help="Include only devices in this segment; repeatable.",
        ),
        click.option(
            "--first", multiple=True, metavar="NAME", help="Include devices in this segment from the start; repeatable."
        ),
        click.option(
            "--hold-out",
            metavar="[NAME=]P",
            help="Share of devices that get it only once promoted. The same NAME (control) holds out the same devices.",
        ),
    )
    command = meant_options(command)
    for option in reversed(options):
        command = option(command)
    return command


@click.group(epilog=EPILOG)
def rollout() -> None:
    """Roll a bundle out to a growing share of devices."""


@rollout.command()
@click.argument("app")
@click.argument("channel")
@plan_options
@click.option(
    "--id", "change_id", default="", metavar="ID", help="Id printed by a preview, to include the same devices."
)
@takes_yes
@with_change
def start(client: ControlClient, out: Output, app: str, channel: str, change_id: str, **plan: Any) -> None:
    """Start a rollout on CHANNEL of APP. All other devices keep getting what the channel offers."""
    if change_id and _CHANGE_ID.fullmatch(change_id) is None:
        raise click.BadParameter("letters, digits, '.', '_' and '-' only", param_hint="--id")
    begun = client.post(_path(app, channel), _body(**plan), change_id)
    out.result(begun, lambda: _print_moved(begun, "started"))


@rollout.command(short_help="Show the latest rollout and what came of it.")
@click.argument("app")
@click.argument("channel")
@with_api
def show(client: ControlClient, out: Output, app: str, channel: str) -> None:
    """Show the latest rollout on CHANNEL of APP, and what came of each side: the devices that are offered the bundle
    (new), those held out (control) and the rest."""
    found = client.get(_path(app, channel))
    sides = get_sides(client, _path(app, channel))
    pairs = [
        ("bundle", found["bundle"]),
        ("phase", f"{found['phase']}, since {moment(found['paused'])}" if found["paused"] else found["phase"]),
        (
            "share",
            f"{found['share']}, offered to no new device" if found["phase"] == Phase.PAUSED.value else found["share"],
        ),
        ("step", f"{found['step']} of {len(found['steps'])}, since {moment(found['began'])}"),
        ("next step", _next_step(found, app, channel)),
        ("guard", _guarded(found["guard"], app, channel)),
        ("steps", found["steps"]),
        ("every", format_duration(found["every_seconds"]) if found["every_seconds"] else None),
        ("segments", found["segments"] or None),
        ("first", found["first"] or None),
        ("hold-out", f"{found['hold_out']} ({found['hold_out_group']})" if found["hold_out"] != "0%" else None),
        ("started", moment(found["started"])),
    ]

    def show_all() -> None:
        fields(pairs)
        show_sides(client, sides)

    out.result(found | {"figures": sides}, show_all)


@rollout.command()
@click.argument("app")
@click.argument("channel")
@plan_options
@click.option(
    "--devices",
    type=click.IntRange(0, LISTED_MOST),
    default=0,
    show_default=True,
    metavar="N",
    help="List up to N devices for each step: those first offered the bundle there.",
)
@with_api
def preview(client: ControlClient, out: Output, app: str, channel: str, devices: int, **plan: Any) -> None:
    """Preview a rollout without starting it.

    Shows for each step how many of 100,000 devices it includes, and what the known devices would get: those whose
    reports this node still holds. Anyone can send a report.
    """
    seen = client.post(f"{_path(app, channel, 'preview')}?devices={devices}", _body(**plan))
    out.result(seen, lambda: _print_preview(seen))


@rollout.command()
@with_output
def diagram(out: Output) -> None:
    """Print the life cycle of a rollout as a Mermaid state diagram."""
    out.result({"diagram": life_cycle_diagram()}, lambda: click.echo(life_cycle_diagram()))


def _add_move(move: Move) -> None:
    legal = LIFE_CYCLE[move]
    before = " or ".join(phase.value for phase in legal.before)

    meaning = f"{legal.meaning[0].upper()}{legal.meaning[1:]}"

    @rollout.command(
        move.value, short_help=f"{meaning.partition(';')[0]}.", help=f"{meaning}. Needs a rollout that is {before}."
    )
    @click.argument("app")
    @click.argument("channel")
    @(with_asking if move is Move.PROMOTE else without_asking)
    @with_change
    def run(client: ControlClient, out: Output, asking: Asking, app: str, channel: str) -> None:
        request = ControlRequest("POST", _path(app, channel, move.value))
        after = carry_out(client, out, asking, request, f"{move.value} the rollout to channel {channel} of {app}")
        verb = legal.after.value.replace("_", " ")
        out.result(after, lambda: _TOLD.get(move, _print_moved)(after, verb))


for _move in Move:
    _add_move(_move)


def _next_step(view: dict[str, Any], app: str, channel: str) -> str | None:
    """When the next step begins, or what begins it; None if none follows."""
    if view["next_step_at"]:
        return moment(view["next_step_at"])
    if view["phase"] == Phase.PAUSED.value:
        return f"none while it is paused (edge rollout resume {app} {channel})"
    if view["phase"] != Phase.RUNNING.value or view["step"] == len(view["steps"]):
        return None
    if view["gated"] and view["gate_opens"]:
        return f"from {moment(view['gate_opens'])} on, once the guard knows enough (edge guard show {app} {channel})"
    return f"when advanced by hand (edge rollout advance {app} {channel})"


def _guarded(guard: dict[str, Any] | None, app: str, channel: str) -> str:
    """By what the rollout is watched."""
    if guard is None:
        return f"none watches it (edge guard set {app} {channel})"
    alone = f", also in {', '.join(guard['segments'])} alone" if guard["segments"] else ""
    action = {"pause": "pauses it", "rollback": "takes it back", "notify": "says so"}[guard["action"]]
    return f"{action} above {guard['max_failure']} of {', '.join(guard['metrics'])}{alone}"


def _path(app: str, channel: str, *more: str) -> str:
    return app_path(app, "channels", channel, "rollout", *more)


def _body(
    bundle: str,
    steps: str,
    every: str | None,
    segments: tuple[str, ...],
    first: tuple[str, ...],
    hold_out: str | None,
    downgrade: bool,
    again: bool,
) -> dict[str, Any]:
    """The request's body. Raises Invalid for a malformed duration; the node checks the rest."""
    name, named, share = (hold_out or "0").rpartition("=")
    return {
        "bundle": bundle,
        "steps": [step.strip() for step in steps.split(",")],
        "every_seconds": parse_duration(every) if every else 0,
        "segments": list(segments),
        "first": list(first),
        "hold_out": share,
        "hold_out_group": name if named else GROUP_DEFAULT,
        "downgrade": downgrade,
        "again": again,
    }


def _print_resumed(view: dict[str, Any], verb: str) -> None:
    _print_moved(view, verb)
    if view["changed"] and view["guard"] is not None:
        line("the guard counts from now on; what it knew before is not held against it")


def _print_moved(view: dict[str, Any], verb: str) -> None:
    following = f", the next step at {moment(view['next_step_at'])}" if view["next_step_at"] else ""
    said = verb if view["changed"] else f"no change: {view['phase']}"
    line(
        f"{said}: {view['bundle']} on channel {view['channel']} at {view['share']}"
        f" (step {view['step']} of {len(view['steps'])}){following} (revision {view['revision']})"
    )


def _print_paused(view: dict[str, Any], verb: str) -> None:
    _print_moved(view, verb)
    line(f"no device is offered {view['bundle']} now; devices that run it keep it; resume continues at {view['share']}")
    line(_waiting(view["waiting"]))


def _print_rolled_back(view: dict[str, Any], verb: str) -> None:
    offers = [each["after"]["bundle"] for each in (view["impact"] or {"channels": []})["channels"] if each["after"]]
    _print_moved(view, verb)
    for bundle in offers:
        line(f"all devices on {view['channel']} are offered {bundle or 'nothing'} now")
    print_moves(view["impact"])


_TOLD = {Move.PAUSE: _print_paused, Move.RESUME: _print_resumed, Move.ROLL_BACK: _print_rolled_back}


def _waiting(seen: dict[str, Any] | None) -> str:
    """The devices that a pause comes too late for."""
    if seen is None:
        return "devices that have downloaded it but not started it could not be counted now"
    since = f" (from reports since {moment(seen['since'])})" if seen["since"] else ""
    least, most = seen["downloaded"], seen["downloaded"] + seen["offered"]
    if most == 0:
        return f"no known device has downloaded it without starting it{since}"
    if least == most:
        have = f"{counted(most, 'known device')} {'has' if most == 1 else 'have'}"
    else:
        have = f"between {least} and {most} known devices have"
    return f"{have} downloaded it and will still install it at the next start{since}"


def _begins(after_seconds: int | None) -> str:
    if after_seconds is None:
        return "by hand"
    return f"after {format_duration(after_seconds)}" if after_seconds else "at once"


def _where(known: dict[str, Any], channel: str) -> str:
    if not known["devices"]:
        return ""
    return f"; {known['elsewhere']} of them not on {channel}" if known["elsewhere"] else f"; all on {channel}"


def _costs(steps: list[dict[str, Any]]) -> Iterator[str]:
    """What a bad release would cost at the first step and at the last, before the guard stops it."""
    known = [step for step in steps if step["cost"]]
    if not known:
        return
    yield "a release that fails on 10% of its starts, by a model of a usual fleet as large as the known one:"
    for step in dict.fromkeys((0, len(known) - 1)):
        share, cost = known[step]["share"], known[step]["cost"]
        devices = f"{cost['offered']:,} devices (at most {cost['offered_at_most']:,})"
        offered = f"offered to {devices}, {cost['failed']:,} of them failing"
        if cost["acts"]:
            yield f"  at {share}: {offered}, paused after some {cost['minutes']:,.0f} min"
        else:
            yield f"  at {share}: {offered}: too few for the guard to act within a day, the share is the bound"


def _print_preview(seen: dict[str, Any]) -> None:
    known, steps = seen["known"], seen["steps"]
    rows = [
        [
            step["share"],
            _begins(step["after_seconds"]),
            round(step["buckets"]),
            step["offered"],
            step["has_it"],
            sum(step["held_back"].values()),
            [f"{code} {n}" for code, n in step["held_back"].items()],
        ]
        for step in steps
    ]
    table(("share", "begins", "of 100,000", "offered", "has it", "held back", "why"), rows, "no steps")
    line("")
    since = f" from reports since {moment(known['since'])}" if known["since"] else ""
    more = ", and more that were not counted" if known["cut"] else ""
    devices = counted(known["devices"], "known device")
    line(f"{devices}{since}{more}{_where(known, seen['channel'])}")
    for each in _costs(steps):
        line(each)
    for step in steps:
        for device in step["joining"]:
            line(f"{device}  from {step['share']}")
    line(f"nothing was changed; `start --id {seen['id']}` includes the same devices")

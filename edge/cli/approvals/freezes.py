"""`edge freeze`: times in which nothing changes for devices."""

import functools
from datetime import UTC, datetime
from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, line, moment, table
from edge.domain.errors import Invalid


class FreezeGroup(click.Group):
    """What is no verb is an app: `edge freeze APP …` freezes it."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        if known is not None:
            return known
        assert start.callback is not None, "it is a function"
        options = [each for each in start.params if each.name != "app"]
        of_app = functools.partial(start.callback, app=cmd_name)
        return click.Command(cmd_name, callback=of_app, params=options, help=start.help)


_MORE = """\b
edge freeze APP --from 2026-12-23 --until 2027-01-02T08:00+01:00 --except rollback
edge freeze list APP
edge freeze end APP FREEZE

In a freeze, changes to what devices are offered are refused with the code `frozen`, and no step of a rollout begins:
it stays at its share and goes on afterwards, as if the time had not passed. Pauses pass, and the guard still stops a
release; rollbacks pass with --except rollback. A freeze of the whole app also holds its features, other than killing
them; messages are sent. Ending a freeze of a protected channel needs approval.

Times are UTC, or have an offset: 2026-12-23 is that day's first moment in UTC, 2026-12-23T18:00+01:00 is 17:00 UTC.
"""


@click.group(cls=FreezeGroup, subcommand_metavar="APP --until TIME | list APP | end APP FREEZE", epilog=_MORE)
def freeze() -> None:
    """Change nothing for devices for a while."""


@click.command(short_help="Freeze APP.")
@click.argument("app")
@click.option("--from", "begins", metavar="TIME", help="UTC, or with an offset; default: now.")
@click.option("--until", required=True, metavar="TIME", help="UTC, or with an offset; the end is not in the freeze.")
@click.option("--except", "excepted", type=click.Choice(["rollback"]), help="Let rollbacks pass.")
@click.option("--channel", "channels", multiple=True, metavar="CHANNEL", help="Only this channel; repeatable.")
@with_change
def start(
    client: ControlClient,
    out: Output,
    app: str,
    begins: str | None,
    until: str,
    excepted: str | None,
    channels: tuple[str, ...],
) -> None:
    """Freeze the app until a time: nothing changes in what its devices are offered."""
    body = {
        "begins": moment_of(begins) if begins is not None else None,
        "ends": moment_of(until),
        "channels": list(channels),
        "except_rollback": excepted is not None,
    }
    done = client.post(app_path(app, "freezes"), body)
    out.result(done, lambda: _print(app, done["freezes"], "frozen"))


@freeze.command("list")
@click.argument("app")
@with_api
def list_freezes(client: ControlClient, out: Output, app: str) -> None:
    """List the freezes of APP that are on or to come."""
    found = client.get(app_path(app, "freezes"))
    out.result(found, lambda: _print(app, found))


@freeze.command()
@click.argument("app")
@click.argument("freeze")
@with_change
def end(client: ControlClient, out: Output, app: str, freeze: str) -> None:
    """End FREEZE of APP before its time."""
    done = client.delete(app_path(app, "freezes", freeze))
    out.result(done, lambda: line(f"ended freeze {freeze} of app {app} (revision {done['revision']})"))


def moment_of(text: str) -> float:
    """A day or a moment, in UTC unless it has an offset, in seconds since the epoch. Raises Invalid `invalid_time`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        told = "use a day, as 2026-12-23, or a moment, as 2026-12-23T18:00 (UTC) or 2026-12-23T18:00+01:00"
        raise Invalid("invalid_time", f"invalid time {text[:64]!r}: {told}") from error
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _print(app: str, freezes: list[dict[str, Any]], said: str = "") -> None:
    if said and freezes:
        line(said)
    rows = [
        [
            each["id"],
            "on" if each["on"] else "to come",
            moment(each["begins"]),
            moment(each["ends"]),
            ", ".join(each["channels"]) or "all channels",
            "rollback passes" if each["except_rollback"] else "",
            each["by"],
            each["reason"],
        ]
        for each in freezes
    ]
    empty = f"no freezes: edge freeze {app} --until TIME begins one"
    table(("freeze", "state", "from", "until", "of", "except", "by", "reason"), rows, empty)

"""`edge message`: messages to an app's devices, created only with the number that a preview stated."""

import re
import sys
from typing import Any

import click

from edge.cli.terminal.asking import ConfirmationNeeded, takes_yes
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, table
from edge.domain.messaging.planning import LEFT_OUT_WORDS
from edge.domain.schedule.durations import parse_duration

_HOURS_SHOWN = 12
_LOCALE = re.compile(r"([a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2})=", re.ASCII)  # before a title


@click.group()
def message() -> None:
    """Send messages to an app's devices, at the right hour."""


def _describing(command: Any) -> Any:
    """The options that say whom, what and when."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.argument("app"),
    click.option("--segment", metavar="NAME", help="To devices in this segment; default: all registered ones."),
    click.option("--where", metavar="EXPR", help="To devices that this expression selects."),
    click.option(
        "--title",
        "titles",
        metavar="TEXT",
        multiple=True,
        help="Title; give it twice to compare two texts; de=TEXT is for German.",
    ),
    click.option(
        "--body", "bodies", metavar="TEXT", multiple=True, help="Text; give it twice to compare two; de=TEXT: German."
    ),
    click.option(
        "--data", "data", metavar="KEY=VALUE", multiple=True, help="Data for the app's code; may be repeated."
    ),
    click.option("--silent", is_flag=True, help="Show nothing: wake the app, as far as the system lets it."),
    click.option("--when", metavar="TIME", default="now", help='now, best, "2026-12-01 09:00 local" or "… UTC".'),
    click.option(
        "--quiet", metavar="HH:MM-HH:MM", default="", help="Hours of each device's own day in which it is not sent."
    ),
    click.option("--cap", metavar="N/SPAN", default="", help="Not to devices that had so many: 3/week, 1/day, 5/14d."),
    click.option("--share", metavar="PERCENT", default="100%", help="To this share of them."),
    click.option("--hold-out", metavar="PERCENT", default="0%", help="Leave this share out, to see what it changes."),
    click.option("--ttl", metavar="DURATION", default="24h", help="After this time it is too old to be sent."),
)


@message.command(short_help="Count the devices that a message would reach.")
@_describing
@with_api
def preview(client: ControlClient, out: Output, app: str, **given: Any) -> None:
    """Count the devices of APP that a message would be sent to, and when. Nothing is sent."""
    found = client.post(app_path(app, "messages", "preview"), _body(given))
    out.result(found, lambda: _print_preview(app, found))


@message.command()
@_describing
@click.option(
    "--yes",
    "expected",
    type=click.IntRange(0),
    metavar="N",
    help="Do not ask: send it to the N devices that a preview counted.",
)
@with_change
def create(client: ControlClient, out: Output, app: str, expected: int | None, **given: Any) -> None:
    """Send a message to devices of APP. The command says how many and asks first. `--yes N` answers with the number of
    a preview: if that has changed by more than a tenth since, nothing is sent.

    \b
    Now:                 --title "New" --body "It is here" --segment team --yes 12
    At each one's 9:00:  --when "2026-12-01 09:00 local" --quiet 22:00-08:00
    At their own hour:   --when best --cap 3/week --hold-out 5%
    Two texts:           --title "Come back" --title "We miss you"
    Two languages:       --title "New" --title "de=Neu" --title "pt-BR=Novo"
    """
    body, change_id = _body(given), ""
    if expected is None:
        found = client.post(app_path(app, "messages", "preview"), body)
        _print_preview(app, found)
        if not sys.stdin.isatty():
            raise ConfirmationNeeded(f"nothing is sent: add --yes {found['planned']}, or answer at a terminal")
        click.confirm(f"Send it to {found['planned']:,} devices?", abort=True)
        expected, change_id = found["planned"], found["id"]
    made = client.post(app_path(app, "messages"), body | {"expected": expected}, change_id)
    name = made["message"]
    shown = f"message {name} goes to {counted(made['planned'], 'device')}: edge message show {app} {name}"
    out.result(made, lambda: line(shown))


@message.command("list")
@click.argument("app")
@with_api
def list_(client: ControlClient, out: Output, app: str) -> None:
    """List the messages of APP, newest first, and how far they are."""
    found = client.get(app_path(app, "messages"))
    out.result(found, lambda: _print_list(app, found))


@message.command(short_help="Show a message and what became of it.")
@click.argument("app")
@click.argument("message_id", metavar="MESSAGE")
@with_api
def show(client: ControlClient, out: Output, app: str, message_id: str) -> None:
    """Show a message of APP: whom it went to, what became of it, and what it changed."""
    found = client.get(app_path(app, "messages", message_id))
    out.result(found, lambda: _print_message(found))


@message.command(short_help="Show what a message changed.")
@click.argument("app")
@click.argument("message_id", metavar="MESSAGE")
@with_api
def figures(client: ControlClient, out: Output, app: str, message_id: str) -> None:
    """Show what a message of APP changed, compared with the devices that were held out."""
    found = client.get(app_path(app, "messages", message_id))
    out.result(found, lambda: _print_figures(found))


@message.command()
@click.argument("app")
@click.argument("message_id", metavar="MESSAGE")
@takes_yes
@with_change
def cancel(client: ControlClient, out: Output, app: str, message_id: str) -> None:
    """Send nothing more of a message of APP. What devices have shown stays shown."""
    made = client.post(app_path(app, "messages", message_id, "cancel"))
    words = (
        f"message {message_id} is cancelled; what was sent stays sent"
        if made["changed"]
        else f"message {message_id} was cancelled before"
    )
    out.result(made, lambda: line(words))


@message.command(short_help="Show or set how many messages APP sends.")
@click.argument("app")
@click.argument("per_day", required=False, metavar="[N/day]")
@click.option("--device", metavar="N/SPAN", default="", help="And to one device: 3/week. Default: no limit.")
@with_change
def cap(client: ControlClient, out: Output, app: str, per_day: str | None, device: str) -> None:
    """Show or set how many messages APP sends in a day (UTC), 0/day for none, and how many one device gets."""
    if per_day is None:
        if device:
            raise click.UsageError("--device is set together with the cap of the app: 100000/day --device 3/week")
        found = client.get(app_path(app, "messages"))
        caps = {"app": app, "per_day": found["per_day"], "device": found["device_cap"]}
        return out.result(caps, lambda: line(_caps(caps)))
    number, _, span = per_day.partition("/")
    if span != "day" or not number.isdigit():
        raise click.UsageError("the cap is like 100000/day")
    made = client.put(app_path(app, "message-caps"), {"per_day": int(number), "device": device})
    return out.result(made, lambda: line(_caps(made)))


def _caps(of: dict[str, Any]) -> str:
    each = f", and {of['device']} to one device" if of["device"] else ""
    return f"{of['app']} sends at most {of['per_day']:,} messages a day{each}"


def _body(given: dict[str, Any]) -> dict[str, Any]:
    titles, bodies = _by_locale(given["titles"]), _by_locale(given["bodies"])
    number = max(len(titles.get("", ())), len(bodies.get("", ())), 1)
    texts: list[dict[str, Any]] = []
    for at in range(number):
        words = {
            of: {"title": _nth(titles.get(of, []), at), "body": _nth(bodies.get(of, []), at)}
            for of in dict.fromkeys([*titles, *bodies])
        }
        texts.append(words.pop("", {}) | {"locales": words})
    pairs = [each.partition("=") for each in given["data"]]
    if not all(name and sign for name, sign, _ in pairs):
        raise click.UsageError("--data is like screen=offers")
    kept = {name: given[name] for name in ("segment", "where", "silent", "when", "quiet", "cap", "share", "hold_out")}
    return kept | {
        "texts": texts,
        "data": {name: value for name, _, value in pairs},
        "ttl_seconds": parse_duration(given["ttl"]),
    }


def _by_locale(texts: tuple[str, ...]) -> dict[str, list[str]]:
    """`de=Neu` is for German; "" has what is for all others."""
    found: dict[str, list[str]] = {}
    for each in texts:
        locale = _LOCALE.match(each)
        found.setdefault(locale[1] if locale else "", []).append(each[locale.end() :] if locale else each)
    return found


def _nth(texts: list[str], at: int) -> str:
    """One title is that of both texts."""
    return texts[min(at, len(texts) - 1)] if texts else ""


def _print_preview(app: str, found: dict[str, Any]) -> None:
    fields(
        [
            ("would be sent to", f"{found['planned']:,} of {counted(found['registered'], 'registered device')}"),
            ("held out", f"{found['held_out']:,}" if found["held_out"] else None),
            ("by text", _by(found["arms"]) if len(found["arms"]) > 1 else None),
            ("first", moment(found["first_due"]) if found["first_due"] else None),
            ("last", moment(found["last_due"]) if found["last_due"] else None),
            ("left of today's cap", f"{found['left_today']:,} of {found['per_day']:,}"),
        ]
    )
    if not found["registered"]:
        line(f"  no device has registered: see which providers {app} has with edge push credentials list {app}")
    for reason, n in sorted(found["left_out"].items(), key=lambda pair: -pair[1]):
        line(f"  {n:,} {LEFT_OUT_WORDS.get(reason, reason)}")
    if found["unknown_zones"]:
        line(f"  {found['unknown_zones']:,} of unknown time zone: UTC")
    if found["unknown_hours"]:
        line(f"  {found['unknown_hours']:,} whose usual hour is not known yet: the app's")
    if len(found["hours"]) > 1:
        table(("hour", "devices"), [[moment(each["at"])[:16], each["n"]] for each in found["hours"][:_HOURS_SHOWN]], "")


def _print_list(app: str, found: dict[str, Any]) -> None:
    cap_ = f", {found['device_cap']} to a device" if found["device_cap"] else ""
    used = f"{found['begun_today']:,} of {found['per_day']:,} sends begun today (UTC){cap_}"
    line(f"{counted(found['registered'], 'registered device')} ({_by(found['tokens']) or 'none'}); {used}")
    if not found["known"]:
        note("edge: how far messages are is not known: the process that sends them is starting, or elsewhere")
    for each in found["halted"]:
        note(f"edge: {each['provider']} refuses the credentials ({each['code']}): nothing goes through it")
    rows = [
        [
            each["id"],
            each["state"],
            _title(each),
            each["audience"],
            each["when"],
            each["sends"].get("sent", 0),
            each["planned"],
        ]
        for each in found["messages"]
    ]
    empty = f"no messages: edge message preview {app} --title TEXT counts whom one would reach"
    table(("message", "state", "title", "to", "when", "sent", "planned"), rows, empty)


def _print_message(found: dict[str, Any]) -> None:
    of = found["line"]
    fields(
        [
            ("message", of["id"]),
            ("state", of["state"] + (f": {of['why']}" if of["why"] else "")),
            *((f"text {name}", f"{each['title']} | {each['body']}".strip(" |")) for name, each in _words(of["texts"])),
            ("silent", "best effort: systems wake an app a few times an hour at most" if of["silent"] else None),
            ("to", of["audience"]),
            ("when", of["when"]),
            ("quiet", found["quiet"] or None),
            ("cap", found["cap"] or None),
            ("share", found["share"] if found["share"] != "100%" else None),
            ("held out", f"{found['hold_out']}, {counted(of['held_out'], 'device')}" if of["held_out"] else None),
            ("created", moment(of["created"])),
            ("planned", counted(of["planned"], "device")),
            ("sends", _by(of["sends"]) or None),
        ]
    )
    for each in found["codes"]:
        line(f"  {each['n']:,} {each['state']}: {each['code']}")
    _print_figures(found)


def _words(texts: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Of each text its own, and those of its locales."""
    return [
        (f"{text['name']} {of}".strip(), each)
        for text in texts
        for of, each in {"": text, **text.get("locales", {})}.items()
    ]


def _print_figures(found: dict[str, Any]) -> None:
    rows = [
        ["held out" if each["arm"] == "-" else each["arm"], *(each[name] for name in _ARM_COLUMNS)]
        for each in found["arms"]
    ]
    columns = ("arm", "assigned", "measured", "opened", "with a session", "with an update", "sessions")
    table(columns, rows, "no figures yet")
    for each in found["effects"]:
        line(each["words"])


def _by(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {'held out' if name == '-' else name}" for name, n in sorted(counts.items()) if n)


def _sent(of: dict[str, Any]) -> tuple[int, int]:
    return of["sends"].get("sent", 0), of["planned"]


def _title(of: dict[str, Any]) -> str:
    return "(silent)" if of["silent"] else of["texts"][0]["title"] or of["texts"][0]["body"][:40]


_ARM_COLUMNS = ("assigned", "devices", "opened", "active", "updated", "sessions")

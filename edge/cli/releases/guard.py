"""`edge guard`: the rules by which a channel's releases are watched, what is known of them, and what the guard did."""

from collections.abc import Iterator
from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.missing_lines import missing_lines
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, table
from edge.domain.guard_policy import GuardAction, Guarded, GuardMetric
from edge.domain.guarding.sentences import digits, odds_said, percent

GOING_ON = (
    "no step begins by itself without them: edge rollout advance {app} {channel} begins it all the same; "
    "edge node forget {nodes} says that it is gone for good"
)
LISTED_MOST = 100  # the node's own limit
ROWS = 3  # of a breakdown: the page has more
_DOES = {"pause": "pauses", "rollback": "rolls back", "notify": "only says so"}
_NETWORKS = "Network whose devices all count, on each channel of the app: 203.0.113.0/24, an office; repeatable."


@click.group()
def guard() -> None:
    """Watch a channel's releases and stop a bad one."""


@guard.command("set", short_help="Set the rules, and turn the guard on.")
@click.argument("app")
@click.argument("channel")
@click.option("--max-failure", metavar="P", help="Share of the installs that may fail, such as 2%.")
@click.option(
    "--metric",
    "metrics",
    type=click.Choice([each.value for each in GuardMetric]),
    multiple=True,
    help="What is a failure; repeatable. Default: update_fail.",
)
@click.option("--versus", type=click.Choice(["control", "nothing"]), help="Compare crashes and errors with the others.")
@click.option("--factor", type=float, metavar="N", help="With --versus control: N times as often is allowed.")
@click.option(
    "--segments", "--segment", "segments", multiple=True, metavar="NAME", help="Test it alone too; repeatable."
)
@click.option("--action", type=click.Choice([each.value for each in GuardAction]), help="What a bad release leads to.")
@click.option("--silence", type=click.Choice(["notify", "pause"]), help="What devices that fall silent lead to.")
@click.option("--trusted-prefix", "prefixes", multiple=True, metavar="NETWORK", help=_NETWORKS)
@click.option("--no-segments", is_flag=True, help="Test no segment by itself.")
@click.option("--no-trusted-prefixes", is_flag=True, help="Trust no network.")
@click.option("--auto-advance/--by-time", "auto_advance", default=None, help="End a step when enough is known of it.")
@click.option(
    "--everything/--rollouts", "everything", default=None, help="Watch plain publishes too, or rollouts alone."
)
@with_change
def set_rules(client: ControlClient, out: Output, app: str, channel: str, **given: Any) -> None:
    """Set the rules of the guard of CHANNEL of APP; what is not given stays."""
    settings = _settings(**given)
    if "guarded" not in settings and client.get(_path(app, channel))["guarded"] == Guarded.NOTHING.value:
        settings["guarded"] = Guarded.ROLLOUTS.value
    after = client.patch(_path(app, channel), settings)
    out.result(after, lambda: _print_changed(after))


@guard.command()
@click.argument("app")
@click.argument("channel")
@with_change
def off(client: ControlClient, out: Output, app: str, channel: str) -> None:
    """Watch nothing on CHANNEL of APP. The rules stay for the next `set`."""
    after = client.patch(_path(app, channel), {"guarded": Guarded.NOTHING.value})
    out.result(after, lambda: _print_changed(after))


@guard.command(short_help="Show the rules of a guard and what it knows.")
@click.argument("app")
@click.argument("channel")
@with_api
def show(client: ControlClient, out: Output, app: str, channel: str) -> None:
    """Show the rules of the guard of CHANNEL of APP, what it watches, and what is known of that."""
    found = client.get(_path(app, channel))

    def print_text() -> None:
        fields([*_rules(found), *_watched(found), *_known(found)])
        _print_breakdown(found)
        for each in missing_lines(found["missing_reports"]):
            note(each)
        if found["missing_reports"] and found["auto_advance"]:
            nodes = " or ".join(each["name"] for each in found["missing_reports"])
            note(GOING_ON.format(app=app, channel=channel, nodes=nodes))

    out.result(found, print_text)
    if found["unknown"]:
        note(f"the guard is blind: {found['unknown']}")


@guard.command("history", short_help="List what the guard did.")
@click.argument("app")
@click.argument("channel")
@click.option("--limit", type=click.IntRange(1, LISTED_MOST), default=20, show_default=True, metavar="N")
@click.option("--before", type=click.IntRange(min=1), metavar="N", help="List revisions below N: the next page.")
@with_api
def list_deeds(client: ControlClient, out: Output, app: str, channel: str, limit: int, before: int | None) -> None:
    """List what the guard of CHANNEL of APP did, with figures, and how its rules changed, newest first."""
    page = f"?limit={limit}" + (f"&before={before}" if before is not None else "")
    found = client.get(f"{_path(app, channel, 'history')}{page}")

    def print_text() -> None:
        rows = [
            [each["revision"], moment(each["at"]), each["by"], each["bundle"], _what_and_why(each)]
            for each in found["entries"]
        ]
        table(("revision", "when", "by", "bundle", "what and why"), rows, "nothing so far")
        if found["next_before"]:
            note(f"for older revisions: --before {found['next_before']}")

    out.result(found, print_text)


def _what_and_why(entry: dict[str, Any]) -> str:
    """The guard's own reasons say what it did."""
    said = [entry["reason"]] if entry["by"] == "guard" else [entry["summary"], entry["reason"]]
    return ": ".join(filter(None, said)) or str(entry["summary"])


def _path(app: str, channel: str, *more: str) -> str:
    return app_path(app, "channels", channel, "guard", *more)


def _settings(
    max_failure: str | None,
    metrics: tuple[str, ...],
    versus: str | None,
    factor: float | None,
    segments: tuple[str, ...],
    action: str | None,
    silence: str | None,
    prefixes: tuple[str, ...],
    no_segments: bool,
    no_trusted_prefixes: bool,
    auto_advance: bool | None,
    everything: bool | None,
) -> dict[str, Any]:
    """The request's body. Raises click.UsageError."""
    if (segments and no_segments) or (prefixes and no_trusted_prefixes):
        raise click.UsageError("--no-segments and --no-trusted-prefixes exclude what they remove")
    guarded = {None: None, True: Guarded.EVERYTHING.value, False: Guarded.ROLLOUTS.value}[everything]
    given = {
        "max_failure": max_failure,
        "metrics": list(metrics) or None,
        "versus_control": None if versus is None else versus == "control",
        "factor": factor,
        "segments": [] if no_segments else list(segments) or None,
        "action": action,
        "silence": silence,
        "trusted_prefixes": [] if no_trusted_prefixes else list(prefixes) or None,
        "auto_advance": auto_advance,
        "guarded": guarded,
    }
    return {name: value for name, value in given.items() if value is not None}


def _print_changed(after: dict[str, Any]) -> None:
    said = "" if after["changed"] else "no change: "
    line(f"{said}guard of channel {after['channel']} (revision {after['revision']})")
    fields(_rules(after))


def _rules(view: dict[str, Any]) -> list[tuple[str, Any]]:
    if view["guarded"] == Guarded.NOTHING.value:
        return [("watches", "nothing (edge guard set turns it on)")]
    against = f", {view['factor']:g} times as often as outside" if view["versus_control"] else ""
    return [
        ("watches", "rollouts and plain publishes" if view["guarded"] == Guarded.EVERYTHING.value else "rollouts"),
        ("may fail", f"{view['max_failure']} ({', '.join(view['metrics'])}{against})"),
        ("segments", view["segments"] or None),
        ("a bad one", _DOES[view["action"]]),
        ("silence", _DOES[view["silence"]]),
        ("steps end", "when enough is known" if view["auto_advance"] else "by time, or by hand"),
        ("trusted", [f"{each} (on every channel)" for each in view["trusted_prefixes"]] or None),
    ]


def _watched(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    watch = found["watched"]
    if watch is None:
        yield "now", "nothing is watched"
        return
    what = "rollout" if watch["is_rollout"] else "publish"
    again = f", counted from its last resume on ({watch['resumed']})" if watch["resumed"] else ""
    state = "" if watch["acts"] else ", paused: it is counted, and nothing follows"
    yield "now", f"{what} of {watch['bundle']} since {moment(watch['since'])}{again}{state}"


def _known(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    standing = found["standing"]
    evidence = standing["evidence"] if standing else None
    if evidence is None:
        yield "known", "cannot be said now" if found["unknown"] else "nothing yet"
        return
    about = f"{standing['bundle']}: " if standing["bundle"] and found["watched"] is None else ""
    low, high = evidence["low"], evidence["high"]
    rate = f", {digits(low)} to {percent(high)}" if evidence["attempts"] else ""
    yield "known", f"{about}{evidence['failed']:,} of {evidence['attempts']:,} installs failed{rate}"
    yield "offered", f"{evidence['offered']:,} devices"
    yield "as of", moment(evidence["as_of_ms"] / 1000)
    yield "verdict", _verdict(evidence)
    for test in evidence["tests"]:
        odds, alarm = odds_said(test["log_odds"]), odds_said(test["alarm_log_odds"])
        count = f"{test['failed']:,} of {test['attempts']:,}"
        yield test["name"], f"{count} without the two worst networks; odds {odds}, alarm at {alarm}"
    if evidence["capped"]:
        votes = f"{evidence['capped']:,} votes ({evidence['capped_failed']:,} failures)"
        yield "left out", f"{votes} of networks that had their share; --trusted-prefix counts all of one"
    if standing["lost"]:
        yield "no vote", f"{counted(standing['lost'], 'device')} reported before the check was noted, and had no place"
    if found["auto_advance"]:
        yield "next step", evidence["waits"] or found["waits_for"] or None


def _verdict(evidence: dict[str, Any]) -> str:
    match evidence["verdict"]:
        case "fails":
            return f"fails: {evidence['reason']}"
        case "silent":
            return f"falls silent: {evidence['reason']}"
        case "passes":
            return "enough is known, and it is below the limit"
        case _:
            return "too little is known"


def _print_breakdown(found: dict[str, Any]) -> None:
    rows = [
        [name, row["label"], f"{row['failed']:,} of {row['attempts']:,}", "stands out" if row["stands_out"] else ""]
        for name, listed in (found["standing"] or {"breakdowns": {}})["breakdowns"].items()
        for row in listed[:ROWS]
        if row["failed"]
    ]
    if rows:
        line("")
        table(("by", "", "failed", "note"), rows, "")

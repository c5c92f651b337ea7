"""`edge experiment`: several bundles on one channel, each for a share of its devices, until one is kept."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from edge.cli.features.conditions import shown_value
from edge.cli.features.experiments import experiments_on_features, start_on_feature, stop_on_feature
from edge.cli.figures.experiment_page import experiment_page
from edge.cli.figures.page import is_drawn
from edge.cli.figures.stats import show_page
from edge.cli.releases.replaced import meant_options
from edge.cli.terminal.asking import takes_yes
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, fields, line, moment, note, table
from edge.domain.comparing.reading import ExperimentReading
from edge.domain.comparing.running import feature_of_place
from edge.domain.errors import Unavailable
from edge.domain.schedule.durations import format_duration, parse_duration

_EXAMPLES = {"--window": 'night="daily 01:00-05:00 UTC"', "--spread": "slow=6h", "--only": "wifi=on-wifi"}


@click.group()
def experiment() -> None:
    """Offer several bundles side by side and keep one."""


@experiment.command(short_help="Start experiment NAME on CHANNEL of APP.")
@click.argument("app")
@click.argument("channel")
@click.argument("name")
@click.option(
    "--arm",
    "arms",
    metavar="NAME=VERSION:SHARE",
    multiple=True,
    required=True,
    help="An arm, such as new=1.5.0:50, or of a feature new=true:50; repeat for each.",
)
@click.option(
    "--segment", metavar="NAME", help="Include only devices in this segment; default: all devices on the channel."
)
@click.option(
    "--window",
    "windows",
    metavar='ARM="DAYS HH:MM-HH:MM ZONE"',
    multiple=True,
    help='Offer an arm\'s bundle in this window only, such as night="daily 01:00-05:00 UTC"; may be repeated.',
)
@click.option(
    "--spread", "spreads", metavar="ARM=DURATION", multiple=True, help="Open an arm's offers over this time: slow=6h."
)
@click.option(
    "--only",
    "only",
    metavar="ARM=SEGMENT",
    multiple=True,
    help="Give an arm's bundle only to devices in this segment; others get what the channel offers.",
)
@click.option("--hold-out", metavar="SHARE", help="Of a feature: keep this share of the devices out, as of rollouts.")
@click.option("--hold-out-group", metavar="NAME", help="Which devices; default: control.")
@click.option("--asks", "question", metavar="TEXT", default="", help="The question that the experiment is to answer.")
@click.option(
    "--measure",
    "measures",
    metavar="MEASURE",
    multiple=True,
    help="Compare this: failed, crashed, errors, erred, sessions, installed, install_failed, installed:24h, "
    "install_time:24h, event:NAME, outcome:NAME or value:NAME; at most 8. Default: what is usual for its kind.",
)
@meant_options
@takes_yes
@with_change
def start(
    client: ControlClient,
    out: Output,
    app: str,
    channel: str,
    name: str,
    arms: tuple[str, ...],
    segment: str | None,
    windows: tuple[str, ...],
    spreads: tuple[str, ...],
    only: tuple[str, ...],
    hold_out: str | None,
    hold_out_group: str | None,
    question: str,
    measures: tuple[str, ...],
    downgrade: bool,
    again: bool,
) -> None:
    """Start experiment NAME on CHANNEL of APP, or on one of its features: feature:FEATURE. The shares of the arms, in
    percent, must add up to 100.

    A device stays in the same arm at every check and on every node. Devices outside the segment get what the channel
    offers. The first arm is the one that the others are compared with.

    \b
    Two bundles:     --arm control=1.4.0:50 --arm new=1.5.0:50
    Which time:      --arm now=1.5.0:50 --arm night=1.5.0:50 --window night="daily 01:00-05:00 UTC"
    For whom:        --arm all=1.5.0:50 --arm wifi=1.5.0:50 --only wifi=on-wifi
    Values:          feature:checkout ... --arm old=false:50 --arm new=true:50
    """
    held = {"hold_out": hold_out, "hold_out_group": hold_out_group}
    if (feature := feature_of_place(channel)) is not None:
        if windows or spreads or only or downgrade or again:
            raise click.UsageError("--window, --spread, --only, --downgrade and --again are about bundles")
        terms = {"segment": segment, "question": question, "measures": measures}
        terms |= {key: value for key, value in held.items() if value is not None}
        return start_on_feature(client, out, app, feature, {"name": name, **terms}, arms)
    if any(value is not None for value in held.values()):
        raise click.UsageError("--hold-out is of experiments on features; rollouts have one too")
    given = {each["name"]: each for each in map(_parse_arm, arms)}
    _give_arms(given, "--window", "windows", [(each, text) for each, text in _pairs("--window", windows)])
    spread = [(each, parse_duration(text)) for each, text in _pairs("--spread", spreads)]
    _give_arms(given, "--spread", "spread_seconds", spread)
    _give_arms(given, "--only", "segment", _pairs("--only", only))
    body = {
        "name": name,
        "arms": list(given.values()) if len(given) == len(arms) else [_parse_arm(each) for each in arms],
        "segment": segment,
        "question": question,
        "measures": measures,
        "downgrade": downgrade,
        "again": again,
    }
    made = client.post(app_path(app, "channels", channel, "experiment"), body)
    return out.result(made, lambda: line(f"started experiment {sentence(made)} on channel {channel}"))


@experiment.command(short_help="Show an experiment and what came of it.")
@click.argument("app")
@click.argument("channel", required=False)
@with_api
def show(client: ControlClient, out: Output, app: str, channel: str | None) -> None:
    """Show what the experiment on CHANNEL of APP, or on feature:FEATURE, shows, also 90 days after it was stopped, or
    all that run."""
    if channel is None:
        found = [*client.get(app_path(app, "experiments")), *experiments_on_features(client, app)]
        rows = [[each["channel"], each["name"], _arms(each), each["segment"]] for each in found]
        columns = ("channel", "experiment", "arms", "segment")
        return out.result(found, lambda: table(columns, rows, "no experiment is running"))
    if (feature := feature_of_place(channel)) is not None:
        read = client.get(app_path(app, "features", feature, "experiment", "reading"))
        return _show_reading(out, read)
    path = app_path(app, "channels", channel, "experiment")
    try:
        read = client.get(f"{path}/reading")
    except Unavailable as error:
        note(f"what it shows cannot be said now: {error.message}")
        found = client.get(path)
        return out.result(found, lambda: _print_text(found))
    return _show_reading(out, read)


def _show_reading(out: Output, read: Any) -> None:
    page = msgspec.convert(read, ExperimentReading)
    out.result(read, lambda: show_page(experiment_page(page, bars=is_drawn())))


@experiment.command(short_help="Stop the experiment on CHANNEL and keep one arm.")
@click.argument("app")
@click.argument("channel")
@click.option("--keep", metavar="ARM", required=True, help="Arm whose bundle the channel then offers to all devices.")
@takes_yes
@with_change
def stop(client: ControlClient, out: Output, app: str, channel: str, keep: str) -> None:
    """Stop the experiment on CHANNEL of APP, or on feature:FEATURE, and keep one arm. To keep no bundle, use `edge
    rollback`."""
    if (feature := feature_of_place(channel)) is not None:
        return stop_on_feature(client, out, app, feature, keep)
    after = client.post(app_path(app, "channels", channel, "experiment", "stop"), {"keep": keep})
    return out.result(after, lambda: line(f"stopped the experiment; channel {channel} offers {after['bundle']}"))


def sentence(view: dict[str, Any]) -> str:
    """`look: control 50% 1.4.0, new 50% 1.5.0, in segment ios`."""
    within = f", in segment {view['segment']}" if view["segment"] else ""
    return f"{view['name']}: {', '.join(_arms(view))}{within}"


def _parse_arm(text: str) -> dict[str, Any]:
    name, named, rest = text.partition("=")
    version, shared, share = rest.rpartition(":")
    if not (named and shared):
        raise click.UsageError(f"invalid --arm {text!r}: expected NAME=VERSION:SHARE, such as new=1.5.0:50")
    return {"name": name, "bundle": version, "share": share}


def _pairs(option: str, given: tuple[str, ...]) -> list[tuple[str, str]]:
    """`ARM=...`, each."""
    found = []
    for text in given:
        arm, named, rest = text.partition("=")
        if not named or not rest:
            raise click.UsageError(f"invalid {option} {text!r}: expected ARM=..., such as {_EXAMPLES[option]}")
        found.append((arm, rest))
    return found


def _give_arms(arms: dict[str, dict[str, Any]], option: str, field: str, given: Sequence[tuple[str, Any]]) -> None:
    """To each arm its own; of windows, all."""
    for name, value in given:
        if name not in arms:
            raise click.UsageError(f"{option} names arm {name!r}, which no --arm has")
        if field == "windows":
            arms[name].setdefault(field, []).append(value)
        else:
            arms[name][field] = value


def _arms(view: dict[str, Any]) -> list[str]:
    """Of bundles, or of values."""
    return [
        f"{arm['name']} {arm['share']} "
        + (f"{arm['bundle']}{_terms(arm)}" if "bundle" in arm else shown_value(arm["value"]))
        for arm in view["arms"]
    ]


def _terms(arm: dict[str, Any]) -> str:
    """` in daily 01:00-05:00 UTC over 6h for on-wifi`."""
    windows = f" in {' and '.join(arm['windows'])}" if arm["windows"] else ""
    spread = f" over {format_duration(arm['spread_seconds'])}" if arm["spread_seconds"] else ""
    return f"{windows}{spread}" + (f" for {arm['segment']}" if arm["segment"] else "")


def _print_text(found: dict[str, Any]) -> None:
    pairs = (
        ("experiment", found["name"]),
        ("channel", found["channel"]),
        ("segment", found["segment"] or ""),
        ("started", moment(found["started"])),
    )
    fields(pairs)
    rows = [[arm["name"], arm["bundle"], arm["share"]] for arm in found["arms"]]
    table(("arm", "bundle", "share"), rows, "no arms")

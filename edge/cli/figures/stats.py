"""`edge stats`: who has what, does it work, and how do people use it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import click
import msgspec

from edge.cli.figures.page import Block, Footer, drawn, is_drawn, plain_lines, rendered, width
from edge.cli.figures.releases_page import releases_page
from edge.cli.figures.stats_page import stats_page
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, table
from edge.domain.errors import EdgeError
from edge.domain.schedule.durations import parse_duration
from edge.domain.statistics.definitions import PAGE
from edge.domain.statistics.releases import ReleasesAnswer
from edge.telemetry.questions.app_answers import StatsAnswer
from edge.telemetry.questions.stats import BYS

WATCH_SECONDS = 5.0  # between two looks; counts are made at each

Page = Callable[[Any], list[Block]]


@click.command()
@click.argument("app")
@click.option("--bundle", metavar="V", help="Show this bundle: how far devices have come, adoption, failures.")
@click.option("--channel", metavar="C", help="Only devices on this channel.")
@click.option("--segment", metavar="S", help="Only devices in this segment.")
@click.option("--platform", metavar="P", help="Only devices on this platform: android, ios or electron.")
@click.option("--since", metavar="TIME", help="From so long ago, such as 90m, 24h or 7d. Default: 24h; releases: 90d.")
@click.option("--by", type=click.Choice(BYS), metavar="LABEL", help=f"Add rows by one of {', '.join(BYS)}.")
@click.option("--releases", is_flag=True, help="Show how the team releases: how often, how fast, what was taken back.")
@click.option("--events", is_flag=True, help="Only count the events that devices reported, by bundle and action.")
@click.option("--watch", is_flag=True, help=f"Look again every {WATCH_SECONDS:.0f} s, until Ctrl-C.")
@with_api
def stats(
    client: ControlClient,
    out: Output,
    app: str,
    since: str | None,
    by: str | None,
    releases: bool,
    events: bool,
    watch: bool,
    **labels: str | None,
) -> None:
    """Show who has what of APP, whether it works, and how people use it.

    Everything that was acknowledged until now is counted. Each figure is defined at /v1/definitions of the control API.
    What is not known says why: crashes on iOS are not.
    """
    given = {name: label for name, label in labels.items() if label}
    if ((releases or events) and (given or by)) or (releases and events) or (events and since):
        raise click.UsageError("--releases takes --since alone, --events takes no other option")
    if events:
        return _look(lambda: _count_events(client, out, app), watch=watch)
    asked: dict[str, Any] = {"since_seconds": parse_duration(since)} if since else {}
    definitions = f"{client.url}{PAGE}"
    if releases:
        path, answer = f"{app_path(app, 'releases')}?{urlencode(asked)}", ReleasesAnswer

        def page(found: Any) -> list[Block]:
            return releases_page(found, definitions)
    else:
        asked |= given | ({"by": by} if by else {}) | ({"points": 2 * width()} if given.get("bundle") else {})
        path, answer = f"{app_path(app, 'figures')}?{urlencode(asked)}", StatsAnswer  # type: ignore[assignment]

        def page(found: Any) -> list[Block]:
            return stats_page(found, by or "", definitions)

    if watch and is_drawn() and not out.as_json:
        return _watch(lambda: page(msgspec.convert(client.get(path), answer)))
    return _look(lambda: _show(out, client.get(path), answer, page), watch=watch)


def show_page(blocks: Sequence[Block]) -> None:
    """Drawn on a terminal, plain in a pipe."""
    if is_drawn():
        click.echo(rendered(blocks, width(), color=True))
    else:
        for each in plain_lines(blocks):
            click.echo(each)


def _show(out: Output, found: Any, answer: Any, page: Page) -> None:
    out.result(found, lambda: show_page(page(msgspec.convert(found, answer))))


def _look(show: Callable[[], None], *, watch: bool) -> None:
    """Once, or again and again."""
    try:
        show()
        while watch:
            time.sleep(WATCH_SECONDS)
            show()
    except KeyboardInterrupt:
        if not watch:
            raise


def _watch(page: Callable[[], list[Block]]) -> None:
    """In place, on a terminal; the last page stays."""
    from rich.live import Live  # takes 70 ms, which a pipe does not need

    latest = page()
    live = Live(drawn(latest, width()), auto_refresh=False, screen=True)
    with suppress(KeyboardInterrupt):
        try:
            live.start(refresh=True)
            while True:
                time.sleep(WATCH_SECONDS)
                try:
                    shown = latest = page()
                except EdgeError as error:  # the node restarts, or counts: the next look may succeed
                    shown = [*latest, Footer(f"not looked again: {error.message}")]
                live.update(drawn(shown, width()), refresh=True)
        finally:
            live.stop()  # also when the start was interrupted: the terminal is the person's again
    show_page(latest)


def _count_events(client: ControlClient, out: Output, app: str) -> None:
    """A report that a device repeats within an hour counts once. The withheld_... rows count the devices that a bundle
    is withheld from, by the event they reported."""
    found = client.get(app_path(app, "stats"))
    counts: Counter[tuple[str, str]] = Counter()
    for each in found["counts"]:
        counts[each["bundle"], each["action"]] += each["n"]
    rows = [[bundle, action, n] for (bundle, action), n in sorted(counts.items())]
    out.result(found, lambda: _show_events(rows, found["duplicates"]))


def _show_events(rows: list[list[Any]], duplicates: int) -> None:
    table(("bundle", "action", "events"), rows, "no events yet")
    if duplicates:
        line("1 duplicate was not counted" if duplicates == 1 else f"{duplicates} duplicates were not counted")

"""The pages about releases: how a team releases, and what came of each side of a rollout or experiment."""

from collections.abc import Sequence

from edge.cli.figures.page import Block, FieldList, Footer, Grid, Heading
from edge.cli.figures.stats_page import RELEASE_COLUMNS, quality_cells, release_cells
from edge.cli.figures.values import said, seconds, shown
from edge.cli.terminal.output import moment
from edge.domain.statistics.releases import ReleasesAnswer
from edge.telemetry.questions.sides import SideFigures

RELEASES_SHOWN = 20  # the latest: --json has all
_BACK = {
    "roll_back": "rolled back",
    "withdraw_bundle": "withdrawn",
    "undo": "undone",
    "move_rollout": "rollout rolled back",
    "guard_acts": "rolled back by the guard",
}


def releases_page(found: ReleasesAnswer, definitions: str) -> list[Block]:
    """`definitions` is the address of their page."""
    pairs = [
        ("releases a week", f"{shown(found.a_week)} ({shown_of(found.a_week.of)} in all)"),
        ("taken back", said(found.taken_back, "releases")),
        ("publish to 50 %", f"{said(found.to_half)}{_median(found.to_half.of)}"),
        ("publish to 95 %", f"{said(found.to_95)}{_median(found.to_95.of)}"),
        ("failure to pause", f"{said(found.failure_to_pause)}{_median(found.failure_to_pause.of)}"),
        ("failure to recovery", f"{said(found.failure_to_recovery)}{_median(found.failure_to_recovery.of)}"),
    ]
    rows = [
        (
            each.bundle,
            each.channel,
            moment(each.published)[:16],
            *map(shown, (each.to_half, each.to_95, each.failure_to_pause, each.failure_to_recovery)),
            _BACK.get(each.taken_back, each.taken_back),
        )
        for each in found.releases[:RELEASES_SHOWN]
    ]
    more = f"{len(found.releases) - len(rows):,} earlier ones in --json" if len(found.releases) > len(rows) else ""
    columns = ("bundle", "channel", "published", "50 %", "95 %", "to pause", "to recovery", "taken back")
    grid: list[Block] = [Heading("Releases", more), Grid(columns, rows, frozenset({3, 4, 5, 6}))] if rows else []
    about = f"releases of the last {seconds(found.until - found.since)}"
    cut = " The history is longer than what was read." if found.cut else ""
    return [
        Heading(found.app, about),
        FieldList(pairs),
        *grid,
        Footer(f"Times are from the publish, and from the first failure reported.{cut} What each is: {definitions}."),
    ]


def sides_grid(sides: Sequence[SideFigures]) -> Grid:
    """A row for each side or arm."""
    rows = [
        [each.name, shown(each.active), *release_cells(each.release), *quality_cells(each.quality)] for each in sides
    ]
    columns = ("side", "devices", *RELEASE_COLUMNS, "sessions", "err/1,000", "crash-free")
    return Grid(columns, rows, frozenset(range(1, len(columns))))


def shown_of(count: int | None) -> str:
    """How many there are in all."""
    return f"{count or 0:,}"


def _median(of: int | None) -> str:
    return f" (median of {of:,})" if of else ""

"""Every event that a device reported is counted exactly once: what the node acknowledged is what `edge stats` shows."""

from collections import Counter
from collections.abc import Iterable

from edge.domain.model import BUILTIN, Platform
from edge.wire.actions import known_action
from tests.real_plugin.cell import Cell, launches
from tests.real_plugin.phone import Launch
from tests.real_plugin.suites.contents import small_app


def statistics(cell: Cell) -> None:
    cell.world.create(cell.app)
    rolls_back = cell.line.platform is not Platform.ELECTRON
    for build in (1, 2, 3):
        cell.world.publish(cell.app, f"1.0.{build}", small_app(build))
        for name in ("one", "two"):
            cell.launch(f"build {build}, {name}", cell.phone(name), boot_ok=not (rolls_back and build == 2))
    expect_counted(cell, cell.app, (launch for _, launch in launches(cell.record)))


def expect_counted(cell: Cell, app: str, launched: Iterable[Launch]) -> None:
    """What devices of the app reported in these launches, and nothing else, is counted once."""
    reported: Counter[tuple[str, str]] = Counter()
    native = cell.phone().native  # newer releases call builtin so, and both names count as one
    for launch in launched:
        for report in launch.reports:
            version = (report.version or "").split(":")[0]
            bundle = BUILTIN if version == native else version
            reported[bundle, known_action(report.action) or report.action] += 1
    cell.expect("something was reported", True, reported.total() > 0)
    counted = Counter(cell.world.counts_of(app, reported.total()))
    cell.expect("reported and not counted", {}, dict(reported - counted))
    cell.expect("counted and not reported", {}, dict(counted - reported))

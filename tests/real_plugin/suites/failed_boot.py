"""A bundle that does not start: reported, not offered to that device again, and what it had before is what it keeps.

Some releases end on builtin, and start the bundle before at the next launch.
"""

from tests.real_plugin.cell import Cell
from tests.real_plugin.suites.contents import small_app


def failed_boot(cell: Cell) -> None:
    cell.world.create(cell.app)
    good = cell.world.publish(cell.app, "1.0.1", small_app(1))
    phone, fresh = cell.phone(), cell.phone("fresh")
    cell.expect_installed("good bundle", cell.launch("good bundle", phone), "1.0.1", good)
    cell.world.publish(cell.app, "1.0.2", small_app(2))

    ends_on_builtin = cell.line.can("fallback_of_failed_boot") == "ends_on_builtin"
    kept = "1.0.0" if ends_on_builtin else "1.0.1"
    for label, each, before in (("broken on a bundle", phone, kept), ("broken on builtin", fresh, "1.0.0")):
        broken = cell.launch(label, each, boot_ok=False)
        cell.expect(f"{label}: outcome", ("rolled_back", before), (broken.outcome, broken.version))
        failures = [report.version for report in broken.reports if report.action == "update_fail"]
        cell.expect(f"{label}: update_fail", ["1.0.2"], failures)

    again = cell.launch("not again", phone)
    if ends_on_builtin:
        cell.expect_installed("not again", again, "1.0.1", good)
        cell.expect("not again: downloads", {}, again.fetched)
    else:
        cell.expect_quiet("not again", again, "1.0.1")
    back = cell.launch("the bundle before", fresh)
    cell.expect_installed("the bundle before", back, "1.0.1", good)
    better = cell.world.publish(cell.app, "1.0.3", small_app(3))
    cell.expect_installed("the repair", cell.launch("the repair", phone), "1.0.3", better)

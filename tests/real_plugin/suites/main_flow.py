"""A fresh installation is offered the bundle, installs exactly what was published, and is quiet at its next launch."""

from tests.real_plugin.cell import Cell
from tests.real_plugin.suites.contents import small_app


def main_flow(cell: Cell) -> None:
    cell.world.create(cell.app)
    files = cell.world.publish(cell.app, "1.0.1", small_app(1))
    phone = cell.phone()
    first = cell.launch("first launch", phone)
    cell.expect_installed("first launch", first, "1.0.1", files)
    cell.expect("first launch: troubles", (), first.troubles)
    second = cell.launch("next launch", phone)
    cell.expect_quiet("next launch", second, "1.0.1")
    cell.expect("next launch: files", files, second.files)

"""Updates with mostly unchanged files: all are there under their names, and only what changed is fetched."""

from tests.real_plugin.cell import Cell
from tests.real_plugin.suites.contents import small_app

CHANGED_FILES = 2  # of `small_app`, from one build to the next


def reuse(cell: Cell) -> None:
    cell.world.create(cell.app)
    phone = cell.phone()
    manifests = cell.line.can("manifest_to_send") != "none"
    for build in (1, 2, 3):
        label, version = f"build {build}", f"1.0.{build}"
        files = cell.world.publish(cell.app, version, small_app(build))
        launch = cell.launch(label, phone)
        cell.expect_installed(label, launch, version, files)
        cell.expect(f"{label}: troubles", (), launch.troubles)
        fetched = {"file": len(files) if build == 1 else CHANGED_FILES} if manifests else {"zip": 1}
        cell.expect(f"{label}: downloads", fetched, launch.fetched)

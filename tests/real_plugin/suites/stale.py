"""A region whose source is gone for longer than counts: nothing new, and nobody notices but by that.

Who runs something good keeps it with all its files, whoever runs what was taken back or withdrawn still leaves it, a
channel may be chosen, what devices report is counted once, and what was kept from them comes when the source is back.
"""

from typing import NamedTuple

from tests.real_plugin.cell import Cell, launches
from tests.real_plugin.phone import Launch, Phone
from tests.real_plugin.suites.channels import GET, SET, expect_channel
from tests.real_plugin.suites.contents import small_app
from tests.real_plugin.suites.statistics import expect_counted

Files = dict[str, str]

LEAVING = ("rolled back", "withdrawn")  # what they run is not to be run any longer


class _Apps(NamedTuple):
    """Each is another one's reason for a launch; only what devices do with the first is counted."""

    main: str
    rolled_back: str
    withdrawn: str
    chosen: str


def stale(cell: Cell) -> None:
    apps = _Apps(cell.app, *(f"{cell.app}.{word}" for word in ("back", "withdrawn", "chosen")))
    with cell.world.lonely_region(cell.app.rpartition(".")[2]) as region:
        phones = _phones(cell, apps, region.devices)
        first = {app: _offer(cell, app, 1) for app in apps}
        beta = _offer_beta(cell, apps.chosen)
        region.wait_until_it_follows()
        _install(cell, "before", {"on a bundle": phones["on a bundle"]}, "1.0.1", first)
        second = {app: cell.world.publish(app, "1.0.2", small_app(2)) for app in apps[:3]}
        region.wait_until_it_follows()
        _install(cell, "before", {each: phones[each] for each in LEAVING}, "1.0.2", second)
        cell.world.edge("rollback", apps.rolled_back, "production")
        cell.world.edge("bundle", "withdraw", apps.withdrawn, "1.0.2", "--reason", "it fails", "--yes")
        region.wait_until_it_follows()
        region.lose_source()
        _launch_stale(cell, phones, first)
        region.find_source()
        _install(cell, "after", {each: phones[each] for each in ("on builtin", "on a bundle")}, "1.0.2", second)
        _install(cell, "after", {"chosen": phones["chosen"]}, "1.1.0", {apps.chosen: beta})
        expect_counted(cell, apps.main, _of(cell, [label for label in phones if phones[label].app == apps.main]))


def _phones(cell: Cell, apps: _Apps, url: str) -> dict[str, Phone]:
    return {
        "on builtin": cell.phone("builtin", url=url),
        "direct": cell.phone("direct", url=url, direct_update=True),
        "on a bundle": cell.phone("bundle", url=url),
        "rolled back": cell.phone("back", url=url, app=apps.rolled_back),
        "withdrawn": cell.phone("withdrawn", url=url, app=apps.withdrawn),
        "on builtin, withdrawn": cell.phone("beside", url=url, app=apps.withdrawn),
        "chosen": cell.phone("chosen", url=url, app=apps.chosen),
    }


def _launch_stale(cell: Cell, phones: dict[str, Phone], first: dict[str, Files]) -> None:
    _choose(cell, phones["chosen"])
    launched = cell.launch_all({f"stale, {label}": phone for label, phone in phones.items()})
    for label in ("on builtin", "direct", "on builtin, withdrawn", "chosen"):
        cell.expect_quiet(f"stale, {label}", launched[f"stale, {label}"], "1.0.0")
    kept = launched["stale, on a bundle"]
    if cell.expect_quiet("stale, on a bundle", kept, "1.0.1"):
        cell.expect("stale, on a bundle: files", first[phones["on a bundle"].app], kept.files)
    for label in LEAVING:
        cell.expect_installed(f"stale, {label}", launched[f"stale, {label}"], "1.0.1", first[phones[label].app])


def _offer(cell: Cell, app: str, build: int) -> Files:
    cell.world.create(app)
    return cell.world.publish(app, f"1.0.{build}", small_app(build))


def _offer_beta(cell: Cell, app: str) -> Files:
    cell.world.create(app, "--self-set", channel="beta")
    return cell.world.publish(app, "1.1.0", small_app(3), channel="beta")


def _install(cell: Cell, when: str, phones: dict[str, Phone], version: str, files: dict[str, Files]) -> None:
    for label, launch in cell.launch_all({f"{when}, {label}": phone for label, phone in phones.items()}).items():
        app = phones[label.removeprefix(f"{when}, ")].app
        cell.expect_installed(label, launch, version, files[app])
        cell.expect(f"{label}: troubles", (), launch.troubles)


def _choose(cell: Cell, phone: Phone) -> None:
    before, chosen, after = cell.call("stale, choose", phone, GET, SET, GET)
    expect_channel(cell, "stale, before", "production", before)
    cell.expect("stale, set", "", chosen.error)
    expect_channel(cell, "stale, after", "beta", after)


def _of(cell: Cell, labels: list[str]) -> list[Launch]:
    """The launches of these phones, whenever."""
    return [launch for label, launch in launches(cell.record) if label.partition(", ")[2] in labels]

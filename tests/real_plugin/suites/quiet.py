"""Every reason for "nothing new": the client reports no failure, fetches nothing, and goes on running what it ran.

On the app's own code, on it with direct update, and on a bundle. A native version without a number and an app id of one
part reach the node as builds for developers send them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.real_plugin.cell import Cell
from tests.real_plugin.phone import Phone
from tests.real_plugin.suites.contents import small_app
from tests.real_plugin.world import OVERLOADED_APP

PLACES = ("builtin", "bundle")
DIRECT = frozenset({"no bundle", "overloaded"})  # reasons that are also met with direct update, where an echo resets


class Reason(NamedTuple):
    label: str
    app: str
    native: str = "1.0.0"
    native_on_bundle: str = "1.0.0"
    url: str = ""


def quiet(cell: Cell) -> None:
    cases = [
        (f"{reason.label}, {where}", reason, where)
        for reason in _reasons(cell)
        for where in (*PLACES, *(["direct"] if reason.label in DIRECT else []))
    ]
    phones = {label: _phone(cell, label, reason, where) for label, reason, where in cases}
    for label, launch in cell.launch_all(phones).items():
        cell.expect_quiet(label, launch, phones[label].running or phones[label].native)


def _phone(cell: Cell, label: str, reason: Reason, where: str) -> Phone:
    running = "1.0.1" if where == "bundle" else ""
    native = reason.native_on_bundle if running else reason.native
    facts = {
        "app": reason.app,
        "native": native,
        "running": running,
        "direct_update": where == "direct",
        "url": reason.url,
    }
    return cell.phone(label.replace(" ", "-"), **facts)


def _reasons(cell: Cell) -> Iterator[Reason]:
    world, app = cell.world, cell.app
    world.create(app)
    yield Reason("no bundle", app)
    empty = f"{app}.nochannel"
    world.edge("app", "create", empty)
    yield Reason("no channel", empty)
    yield Reason("unknown app", f"{app}.unknown")
    yield Reason("one-part app id", "myapp")
    blocked = f"{app}.blocked"
    world.create(blocked, "--policy", "major")
    world.publish(blocked, "2.0.0", small_app(2))
    yield Reason("blocked by policy", blocked)
    yield Reason("native version without a number", blocked, "dev", "dev")
    yield Reason("overloaded", OVERLOADED_APP, url=world.overloaded)
    current = f"{app}.current"
    world.create(current)
    world.publish(current, "1.0.1", small_app(1))
    yield Reason("up to date", current, "1.0.1")

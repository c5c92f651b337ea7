"""The calls with which an app chooses its channel: ordinary ones are never refused, a refusal has its reason."""

from edge.domain.model import Platform
from tests.real_plugin.cell import Cell
from tests.real_plugin.phone import Answered
from tests.real_plugin.suites.contents import small_app

SET = ("setChannel", {"channel": "beta"})
UNSET = ("unsetChannel", {})
GET = ("getChannel", {})
LIST = ("listChannels", {})


def channels(cell: Cell) -> None:
    world, app = cell.world, cell.app
    world.create(app)
    for name, options in (("beta", ("--self-set",)), ("inner", ()), ("elsewhere", ("--self-set", *_no_platform(cell)))):
        world.create(app, *options, channel=name)
    production = world.publish(app, "1.0.1", small_app(1))
    beta = world.publish(app, "1.1.0", small_app(2), channel="beta")
    phone = cell.phone()

    before, chosen, after = cell.call("choose", phone, GET, SET, GET)
    expect_channel(cell, "before", "production", before)
    cell.expect("set", "", chosen.error)
    expect_channel(cell, "after", "beta", after)
    cell.expect_installed("on beta", cell.launch("on beta", phone), "1.1.0", beta)

    for number, answer in enumerate(cell.call("on, off, on at once", phone, UNSET, SET, UNSET, SET, SET), 1):
        cell.expect(f"on, off, on at once: call {number}", "", answer.error)
    refused = cell.call(
        "refused",
        cell.phone("refused"),
        *(("setChannel", {"channel": name}) for name in ("inner", "elsewhere", "missing")),
    )
    cell.expect("refused", [True, True, True], [answer.error != "" for answer in refused])
    if cell.line.platform is Platform.ELECTRON or cell.line.can("list_channels") == "yes":
        (listed,) = cell.call("list", phone, LIST)
        names = sorted(each["name"] for each in listed.value.get("channels", []))
        cell.expect("list", ["beta", "production"], names)

    other = cell.phone("other")
    cell.call("choose and let go", other, SET, UNSET)
    cell.expect_installed("let go", cell.launch("let go", other), "1.0.1", production)


def _no_platform(cell: Cell) -> tuple[str, ...]:
    return (f"--no-{cell.line.platform.value}",)


def expect_channel(cell: Cell, label: str, name: str, answer: Answered) -> None:
    cell.expect(f"getChannel {label}", (name, ""), (answer.value.get("channel"), answer.error))

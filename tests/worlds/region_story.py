"""What a drill of several regions expects, sees and prints: cases with names, each a list of promises that held or not.

    @case
    async def origin_killed(told: Told) -> None:
        told.expect("devices saw nothing of it", devices.failed == 0, devices.summary())

A case's docstring says in one line what happens. `main` runs a module's cases, all or those of `--only`, and exits
with 1 if a promise was not kept.
"""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.worlds.region_devices import RegionDevices
from tests.worlds.region_node import Missing
from tests.worlds.region_world import APP, RegionWorld

COUNTED_SECONDS = 90.0  # from the last acknowledgement until home's figures have it, at most


class Promise(NamedTuple):
    what: str
    held: bool
    figure: str


class Told:
    """The promises of one case, in order. `note` has figures that promise nothing."""

    def __init__(self) -> None:
        self.promises: list[Promise] = []

    def expect(self, what: str, held: bool, figure: object = "") -> None:
        self.promises.append(Promise(what, held, str(figure)))
        mark = "ok  " if held else "NOT "
        print(f"  {mark} {what}{f': {figure}' if figure != '' else ''}", flush=True)

    def note(self, what: str, figure: object) -> None:
        print(f"       {what}: {figure}", flush=True)

    async def within(self, what: str, seconds: float, waiting: Awaitable[float]) -> float:
        """Expect that what is waited for takes at most so long. Returns how long it took, or `seconds`."""
        try:
            took = await waiting
        except TimeoutError as error:
            self.expect(what, False, error)
            return seconds
        self.expect(f"{what} within {seconds:g} s", took <= seconds, f"{took:.2f} s")
        return took

    def saw_nothing(self, devices: RegionDevices, what: str = "devices saw no error and no wrong byte") -> None:
        self.expect(what, devices.failed == 0 and devices.checks > 0, devices.summary())

    async def counts_all(self, world: RegionWorld, devices: RegionDevices, app: str = APP) -> None:
        """Every acknowledged report is in the origin's figures, once."""
        acknowledged, counted, begun = devices.reported.total(), -1, time.monotonic()
        while time.monotonic() - begun < COUNTED_SECONDS:
            counted = await counted_reports(world, app)
            if counted >= acknowledged:
                break
            await asyncio.sleep(1.0)
        what = f"home counts every acknowledged report once, after {time.monotonic() - begun:.0f} s"
        self.expect(what, counted == acknowledged, f"{counted} of {acknowledged}")


async def counted_reports(world: RegionWorld, app: str = APP, action: str = "set") -> int:
    counts = (await world.change("GET", f"/v1/apps/{app}/stats"))["counts"]
    return sum(each["n"] for each in counts if each["action"] == action)


Case = Callable[[Told], Awaitable[None]]
_CASES: dict[str, dict[str, Case]] = {}


def case(function: Case) -> Case:
    """Its name and docstring are what the drill prints."""
    _CASES.setdefault(function.__module__, {})[function.__name__] = function
    return function


def main(module: str, documentation: str) -> None:
    cases = _CASES[module]
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(cases), metavar="CASE", help=", ".join(cases))
    words = parser.parse_args()
    kept = [_run(name, each) for name, each in cases.items() if not words.only or name in words.only]
    print(f"{sum(kept)} of {len(kept)} cases held")
    sys.exit(0 if all(kept) else 1)


def _run(name: str, function: Case) -> bool:
    told, begun = Told(), time.monotonic()
    print(f"{name}: {(function.__doc__ or '').strip().splitlines()[0]}", flush=True)
    try:
        asyncio.run(function(told))  # type: ignore[arg-type]
    except Missing as missing:
        told.note("not run", missing)
        return True
    except Exception:
        traceback.print_exc()
        told.expect("the case ran to its end", False)
    print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    return all(promise.held for promise in told.promises)

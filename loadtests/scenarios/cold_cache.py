"""A cold cache: new devices of many apps fetch everything, so hardly two requests are for the same file.

The apps have six times as many files as a worker keeps open. On a node started here, their pages are dropped from
memory once a second, so that most reads are from disk; on another machine, its owner has to arrange that.
"""

from edge.device.updating.answer import UpdateFound
from loadtests.behaviour import DeviceUser, expect_update
from loadtests.devices import draw_device
from loadtests.verdict import judge_as
from loadtests.world import COLD_APPS, CURRENT, NATIVE

HOLDS_NOTHING: frozenset[str] = frozenset()
judge_as("cold_cache")


class ColdDevices(DeviceUser):
    arrivals_per_second = 0.25  # each fetches some 120 files or one zip of 2 MB

    def arrive(self, due: float) -> None:
        device = draw_device(self.mix, self.dice, app=self.dice.choice(COLD_APPS), running=NATIVE)
        found = self.check(device, due, expected=expect_update(CURRENT))
        if isinstance(found, UpdateFound):
            self.update(device, found, HOLDS_NOTHING, due)

"""A steady day: devices come to the foreground, ask, and are mostly up to date; a few update; all report.

The share that updates is an assumption too: a release a week that most devices take within two days, three launches a
day: some 3 of 100 launches find something new.
"""

from edge.device.updating.answer import UpdateFound
from loadtests.behaviour import DeviceUser, expect_nothing_new, expect_update
from loadtests.devices import draw_device
from loadtests.verdict import judge_as
from loadtests.world import CURRENT, OLD, held_hashes

UPDATING_SHARE = 0.03

HELD = held_hashes(OLD)
judge_as("steady_day")


class SteadyDevices(DeviceUser):
    def arrive(self, due: float) -> None:
        if self.dice.random() < UPDATING_SHARE:
            self._come_to_update(due)
        else:
            self._come_up_to_date(due)

    def _come_up_to_date(self, due: float) -> None:
        device = draw_device(self.mix, self.dice)
        self.check(device, due, expected=expect_nothing_new)
        self.report(device, ("app_moved_to_foreground", CURRENT), ("app_moved_to_background", CURRENT))

    def _come_to_update(self, due: float) -> None:
        device = draw_device(self.mix, self.dice, running=OLD)
        found = self.check(device, due, expected=expect_update(CURRENT))
        if isinstance(found, UpdateFound):
            self.update(device, found, HELD, due)

"""A steady day: devices come to the foreground and check; most are up to date, a few update, and all report.

The share that updates is an assumption: with a weekly release that most devices take within two days, and three
launches a day, about 3 of 100 launches find an update.
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
            self._arrive_outdated(due)
        else:
            self._arrive_up_to_date(due)

    def _arrive_up_to_date(self, due: float) -> None:
        device = draw_device(self.mix, self.dice)
        self.check(device, due, expected=expect_nothing_new)
        self.report(device, ("app_moved_to_foreground", CURRENT), ("app_moved_to_background", CURRENT))

    def _arrive_outdated(self, due: float) -> None:
        device = draw_device(self.mix, self.dice, running=OLD)
        found = self.check(device, due, expected=expect_update(CURRENT))
        if isinstance(found, UpdateFound):
            self.update(device, found, HELD, due)

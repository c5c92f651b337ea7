"""One user, a hundred arrivals a second, each a single request."""

from typing import Any

from loadtests.behaviour import DeviceUser
from loadtests.devices import draw_device


class OneQuestion(DeviceUser):
    arrivals_per_second = 100.0

    def arrive(self, due: float) -> None:
        device: Any = draw_device(self.mix, self.dice)
        self.check(device, due)

"""A publish storm: all devices learn at once of a new release, and fetch it.

For the first quarter, a tenth of the users arrive, up to date; then the uploaded release is offered and all users
arrive, each a device without it. Until the publisher has its answer, either release is correct; from then on the old
one is an error. The publish itself is measured as `publish`.
"""

import os
import time
from typing import Any

from locust import LoadTestShape, events
from locust.runners import MasterRunner, WorkerRunner

from edge.cli.terminal.client import ControlClient
from edge.device.updating.answer import ReadAnswer, UpdateFound
from loadtests.behaviour import DeviceUser
from loadtests.devices import draw_device
from loadtests.verdict import judge_as
from loadtests.world import CURRENT, held_hashes, start_storm

QUIET_SHARE = 0.25  # of the run, before the publish
QUIET_USERS = 0.1  # of all
WAKING_PER_SECOND = 100.0  # users that start once it is published

HELD = held_hashes(CURRENT)
judge_as("publish_storm")


class StormShape(LoadTestShape):
    use_common_options = True  # honours --users and --run-time

    def tick(self) -> tuple[int, float] | None:
        options = self.runner.environment.parsed_options
        passed = self.get_run_time()
        if passed >= options.run_time:
            return None
        if passed < options.run_time * QUIET_SHARE:
            return max(1, round(options.num_users * QUIET_USERS)), WAKING_PER_SECOND
        if not self.runner.environment.storm_begun:
            self.runner.environment.storm_begun = True
            self.runner.greenlet.spawn(_publish, self.runner.environment)
        return options.num_users, WAKING_PER_SECOND


class StormDevices(DeviceUser):
    def arrive(self, due: float) -> None:
        device = draw_device(self.mix, self.dice)
        published = self.environment.storm_version  # read before the check: an answer in flight may be the old one
        found = self.check(device, due, expected=lambda answer: _complaint(answer, published))
        if isinstance(found, UpdateFound):
            self.update(device, found, HELD, due)
        elif found is not None:
            self.report(device, ("app_moved_to_foreground", CURRENT))


def _complaint(answer: ReadAnswer, published: str) -> str:
    if not published or (isinstance(answer, UpdateFound) and answer.version == published):
        return ""
    return f"expected {published}, got {getattr(answer, 'version', type(answer).__name__)}"


def _publish(environment: Any) -> None:
    client = ControlClient(os.environ["EDGE_URL"], os.environ["EDGE_TOKEN"])
    began = time.perf_counter()
    version, error = "", None
    try:
        version = start_storm(client)
    except Exception as failure:  # any failure is this measurement's result
        error = failure
    finally:
        client.close()
    environment.events.request.fire(
        request_type="CONTROL",
        name="publish",
        response_time=(time.perf_counter() - began) * 1000,
        response_length=0,
        exception=error,
        context={},
    )
    environment.storm_version = version
    if isinstance(environment.runner, MasterRunner):
        environment.runner.send_message("published", {"version": version})


@events.init.add_listener
def listen_for_publish(environment: Any, **_: Any) -> None:
    environment.storm_begun = False
    environment.storm_version = ""
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message("published", _take_version)


def _take_version(environment: Any, msg: Any, **_: Any) -> None:
    environment.storm_version = msg.data["version"]

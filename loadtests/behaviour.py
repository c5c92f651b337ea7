"""What every simulated device does, as a locust user: arrive by a timetable, check, download, report, leave.

A user is a stream of devices: each arrival is a new device on new connections. Times are recorded twice: per request,
as locust measures it, and from the moment the arrival was due (type OPEN), which is how long a device waits and what
thresholds limit. What a device gets is verified; a wrong answer or byte is an error.
"""

import hashlib
import math
import random
import time
from collections.abc import Callable
from typing import Any

import gevent.pool
from locust import FastHttpUser, constant, events, task
from locust.exception import CatchResponseError

from edge.device.updating.answer import BlockedAnswer, NoUpdate, ReadAnswer, UpdateFound
from loadtests.devices import LoadDevice
from loadtests.mix import load_mix
from loadtests.schedule import Timetable

PATIENCE_SECONDS = 10.0  # PROTOCOL.md §1.1: the plugin's timeout to connect and between two reads
STOP_SECONDS = 15.0  # for requests in progress at the end: longer than their patience, so they end by themselves
FILES_AT_ONCE = 8  # PROTOCOL.md §5.4: the fewest that a device fetches in parallel
ARRIVAL = "arrival to answer"
UPDATE = "arrival to installed"


class DeviceUser(FastHttpUser):
    """Subclasses define one arrival in `arrive`; `arrivals_per_second` is per user.

    `counts_lost`: unfinished arrivals are errors of `arrival to answer`.
    """

    abstract = True
    arrivals_per_second = 2.0
    counts_lost = True
    wait_time = constant(0)
    network_timeout = connection_timeout = PATIENCE_SECONDS
    concurrency = FILES_AT_ONCE

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.mix = load_mix()
        self.dice = random.Random()
        self._timetable = Timetable(time.perf_counter(), 1 / self.arrivals_per_second)
        self._ended = math.inf
        self._under_way: float | None = None

    def arrive(self, due: float) -> None:
        raise NotImplementedError

    def on_start(self) -> None:
        period = 1 / self.arrivals_per_second
        # Users that start together must not check together.
        self._timetable = Timetable(time.perf_counter() + self.dice.random() * period, period)

    @task
    def run_arrivals(self) -> None:
        """Every arrival of the run.

        Sleeps itself, because locust may kill a user that waits its way just after it has sent a request.
        """
        timetable = self._timetable
        while timetable.due < self._ended:
            gevent.sleep(timetable.wait(time.perf_counter()))
            if timetable.due < self._ended:
                self._arrive_at(timetable.take())

    def stop(self, force: bool = False) -> bool:
        self._ended = min(self._ended, time.perf_counter())
        return super().stop(force)

    def on_stop(self) -> None:
        """Arrivals that were due and never finished are the longest waits, so they count as errors."""
        lost = self._timetable.overdue(self._ended)
        if self._under_way is not None:
            lost.append(self._under_way)
        for due in lost if self.counts_lost else ():
            self.record(ARRIVAL, due, CatchResponseError("due, but not finished when the run ended"))

    def _arrive_at(self, due: float) -> None:
        self._under_way = due
        try:
            self.arrive(due)
        finally:
            self.client.client.close()  # the app goes to the background; the next device opens new connections
        self._under_way = None

    def record(self, name: str, since: float, error: Exception | None = None, length: int = 0) -> None:
        """Record one measurement: the time from `since` until now."""
        self.environment.events.request.fire(
            request_type="OPEN",
            name=name,
            response_time=(time.perf_counter() - since) * 1000,
            response_length=length,
            exception=error,
            context={},
        )

    def check(
        self, device: LoadDevice, due: float, *, expected: Callable[[ReadAnswer], str] | None = None
    ) -> ReadAnswer | None:
        """The answer as the release reads it, or None for a wrong one. `expected` returns what is wrong with it."""
        wrong: Exception | None = None
        answer: ReadAnswer | None = None
        with self.client.post(
            "/updates", data=device.check(), headers=device.json_headers(), name="/updates", catch_response=True
        ) as response:
            if response.status_code != 200:
                wrong = CatchResponseError(f"status {response.status_code}")
            else:
                answer = device.read(200, response.content)
                complaint = expected(answer) if expected else ""
                wrong = CatchResponseError(complaint) if complaint else None
            if wrong:
                response.failure(wrong)
        self.record(ARRIVAL, due, wrong)
        return None if wrong else answer

    def report(self, device: LoadDevice, *happened: tuple[str, str]) -> None:
        for body in device.report(*happened, now_ms=int(time.time() * 1000)):
            self.client.post("/stats", data=body, headers=device.json_headers(), name="/stats")

    def update(self, device: LoadDevice, found: UpdateFound, held: frozenset[str], due: float) -> bool:
        """Download what the device lacks, report it, and record the time since the arrival was due."""
        if found.manifest is None:
            done = self.fetch(found.url, "zip", device.download_headers(zip_client=True))
        else:
            wanted = sorted({file.download_url for file in found.manifest if file.file_hash not in held})
            headers = device.download_headers(zip_client=False)
            pool = gevent.pool.Pool(FILES_AT_ONCE)
            done = all(pool.map(lambda url: self.fetch(url, "file", headers), wanted))
        if done:
            self.report(device, ("download_complete", found.version), ("set", found.version))
        else:
            self.report(device, ("download_fail", device.running))
        self.record(UPDATE, due, None if done else CatchResponseError("a download failed"))
        return done

    def fetch(self, url: str, kind: str, headers: dict[str, str]) -> bool:
        """One whole download; its bytes must match the digest in its address."""
        with self.client.get(url, headers=headers, name=f"/bundles {kind}", catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return False
            if not is_promised(url, response.content or b""):
                response.failure("other bytes than the address names")
                return False
            return True


def is_promised(url: str, content: bytes) -> bool:
    """A bundle's address ends in the digest of its bytes."""
    return hashlib.sha256(content).hexdigest() == url.partition("?")[0].rpartition("/")[2]


def expect_nothing_new(answer: ReadAnswer) -> str:
    return "" if isinstance(answer, NoUpdate | BlockedAnswer) else f"expected nothing new, got {type(answer).__name__}"


def expect_update(version: str) -> Callable[[ReadAnswer], str]:
    def complaint(answer: ReadAnswer) -> str:
        if isinstance(answer, UpdateFound) and answer.version == version:
            return ""
        return f"expected {version}, got {type(answer).__name__}"

    return complaint


@events.init.add_listener
def finish_what_is_under_way(environment: Any, **_: Any) -> None:
    environment.stop_timeout = environment.stop_timeout or STOP_SECONDS

"""A hostile mix: honest devices among peers that send nonsense, forge reports, name foreign hosts and stall.

It measures what honest devices notice. The others must get the protocol's own answer; an error of the node (5xx), or no
answer where one is due, counts as a failure.
"""

import json
import time
import uuid
from urllib.parse import urlsplit

import gevent
from gevent import socket
from locust import FastHttpUser, constant_throughput, task
from locust.exception import CatchResponseError

from edge.device.updating.answer import UpdateFound
from loadtests.behaviour import PATIENCE_SECONDS, DeviceUser, expect_nothing_new, expect_update
from loadtests.devices import draw_device
from loadtests.verdict import judge_as
from loadtests.world import APP, CURRENT, OLD, held_hashes

FOREIGN = "evil.example"
FORGED_EVENTS = 900  # in one body: below the thousand at which a body is refused
SLOW_STEPS = 4  # bytes of a head, or reads of a body, one per second, before a slow peer leaves
SLOW_STEP_SECONDS = 1.0
SLOW_READ_BYTES = 4096

JSON = {"Content-Type": "application/json"}
MALFORMED = (
    b"",
    b"{",
    b"null",
    b"[[[[[[",
    b"[" * 30_000,
    b'{"app_id":' + b"9" * 5_000 + b"}",
    b"\xff\xfe" + '{"a":1}'.encode("utf-16-le"),
    b'{"app_id":"../../etc/passwd","device_id":"x"}',
    json.dumps({"app_id": APP, "device_id": "not-a-device", "version_build": "1.0.0"}).encode(),
    json.dumps({"app_id": APP, "device_id": str(uuid.UUID(int=1)), "version_build": "x"}).encode(),
    b" " * 200_000,
)
HELD = held_hashes(OLD)
judge_as("hostile")


class HonestDevices(DeviceUser):
    weight = 5

    def arrive(self, due: float) -> None:
        updating = self.dice.random() < 0.1
        device = draw_device(self.mix, self.dice, running=OLD if updating else CURRENT)
        found = self.check(device, due, expected=expect_update(CURRENT) if updating else expect_nothing_new)
        if isinstance(found, UpdateFound):
            self.update(device, found, HELD, due)


class Nonsense(FastHttpUser):
    weight = 2
    wait_time = constant_throughput(10)
    network_timeout = connection_timeout = PATIENCE_SECONDS

    def on_start(self) -> None:
        self.turn = 0

    @task
    def send(self) -> None:
        body = MALFORMED[self.turn % len(MALFORMED)]
        self.turn += 1
        with self.client.post("/updates", data=body, headers=JSON, name="malformed", catch_response=True) as response:
            if 400 <= response.status_code < 500 and json.loads(response.content).get("error"):
                response.success()
            else:
                response.failure(f"status {response.status_code} for {body[:40]!r}")


class Forger(FastHttpUser):
    weight = 2
    wait_time = constant_throughput(2)
    network_timeout = connection_timeout = PATIENCE_SECONDS

    @task(3)
    def forge_reports(self) -> None:
        """Failures of a release in the name of devices that do not exist, to get it withheld."""
        event = {
            "app_id": APP,
            "platform": "android",
            "version_name": CURRENT,
            "version_os": "14",
            "action": "set_fail",
        }
        events = [event | {"device_id": str(uuid.uuid4())} for _ in range(FORGED_EVENTS)]
        self.client.post("/stats", data=json.dumps(events), headers=JSON, name="forged stats")

    @task(1)
    def report_for_nobody(self) -> None:
        events = [{"app_id": f"com.nobody.n{uuid.uuid4().hex}", "device_id": str(uuid.uuid4()), "action": "set"}]
        self.client.post("/stats", data=json.dumps(events), headers=JSON, name="forged stats")


class ForeignHost(DeviceUser):
    weight = 1
    arrivals_per_second = 5.0
    counts_lost = False  # not a real device

    def arrive(self, due: float) -> None:
        device = draw_device(self.mix, self.dice, running=OLD)
        headers = device.json_headers() | {"Host": FOREIGN, "X-Forwarded-Host": FOREIGN}
        with self.client.post(
            "/updates", data=device.check(), headers=headers, name="wrong host", catch_response=True
        ) as response:
            if response.status_code != 200 or FOREIGN.encode() in response.content:
                response.failure(f"status {response.status_code}, {(response.content or b'')[:200]!r}")


class Slow(DeviceUser):
    """Alternates: a head sent byte by byte, and a body read slowly."""

    weight = 2
    arrivals_per_second = 1 / SLOW_STEPS
    counts_lost = False
    heads = True

    def arrive(self, due: float) -> None:
        place = urlsplit(self.host)
        line = socket.create_connection((place.hostname, place.port or 80), PATIENCE_SECONDS)
        began = time.perf_counter()
        self.heads = not self.heads
        try:
            answered = self._dawdle(line) if self.heads else self._sip(line)
        except OSError:
            answered = b""  # cut, which the node may do
        finally:
            line.close()
        failed = answered.startswith(b"HTTP/1.1 5")
        self.record(
            "slow head" if self.heads else "slow reader",
            began,
            CatchResponseError(repr(answered[:60])) if failed else None,
        )

    def _dawdle(self, line: socket.socket) -> bytes:
        for byte in b"POST /updates HTTP/1.1"[:SLOW_STEPS]:
            line.sendall(bytes([byte]))
            gevent.sleep(SLOW_STEP_SECONDS)
        line.setblocking(False)
        try:
            return line.recv(SLOW_READ_BYTES)
        except BlockingIOError:
            return b""  # held, and told nothing

    def _sip(self, line: socket.socket) -> bytes:
        address = self._some_zip()
        line.sendall(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        first = line.recv(SLOW_READ_BYTES)
        for _ in range(SLOW_STEPS):
            gevent.sleep(SLOW_STEP_SECONDS)
            line.recv(SLOW_READ_BYTES)
        return first

    def _some_zip(self) -> str:
        device = draw_device(self.mix, self.dice, running=OLD)
        reply = self.client.post("/updates", data=device.check(), headers=device.json_headers(), name="/updates")
        found = device.read(reply.status_code, reply.content or b"")
        return urlsplit(found.url).path if isinstance(found, UpdateFound) else "/bundles/none"

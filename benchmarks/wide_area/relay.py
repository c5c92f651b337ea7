"""The link as a process: what one TUN device sends reaches the other as late, and as surely, as the link makes it.

    python -m benchmarks.wide_area.relay DEVICE DEVICE

Commands come as JSON lines on standard input, each gets one line of JSON: `{"link": {...}}` changes the link and
forgets the counts, `{"count": true}` tells them. It ends, and the devices with it, when its input does: no relay
outlives its bench. Linux, as root. A bare loop of `select`: a packet costs two system calls and little else.
"""

import ctypes
import fcntl
import gc
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque
from typing import Any

from benchmarks.wide_area.link import NANOSECONDS, Pipe, WanLink, wire_bytes

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4 = 0x01, 0x02
FRAME_LIMIT_BYTES = 65_535 + 64  # the largest IP packet and its virtio header
READS_PER_TURN = 32  # before deliveries that fell due get their turn: about 0.2 ms
# A relay that waits for the processor measures the machine's load instead of the link: it goes before everything that
# is not real-time, which leaves the other processes what it does not need.
PRIORITY = os.sched_param(1)
PR_SET_TIMERSLACK = 29  # the kernel's default of 50 µs is a tenth of a short link's half round trip
SEED = 1  # the same losses in every run
LATENESS_LIMIT = 200_000  # deliveries whose lateness is kept since the link was set
IDLE = WanLink(0.0, 100e9)


class Direction:
    """From one device to the other."""

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self._target = target
        self._waiting: deque[tuple[int, bytes]] = deque()
        self.set(IDLE)

    def set(self, link: WanLink) -> None:
        """Packets that are under way arrive as they would have."""
        self.pipe = Pipe(link, random.Random(SEED).random)
        self.late_ns: deque[int] = deque(maxlen=LATENESS_LIMIT)
        self.refused = 0

    @property
    def due_ns(self) -> int | None:
        return self._waiting[0][0] if self._waiting else None

    def take(self) -> None:
        """Read what the kernel has, up to a turn's worth."""
        for _ in range(READS_PER_TURN):
            try:
                frame = os.read(self.source, FRAME_LIMIT_BYTES)
            except BlockingIOError:
                return
            arrival_ns = self.pipe.arrival_ns(wire_bytes(frame), time.monotonic_ns())
            if arrival_ns is not None:
                self._waiting.append((arrival_ns, frame))

    def deliver(self, now_ns: int) -> None:
        while self._waiting and self._waiting[0][0] <= now_ns:
            due_ns, frame = self._waiting.popleft()
            try:
                os.write(self._target, frame)
            except OSError:
                self.refused += 1  # the device is down: like a cable that is not plugged in
            self.late_ns.append(now_ns - due_ns)

    def counts(self) -> dict[str, int]:
        late = sorted(self.late_ns) or [0]
        return {
            "passed_bytes": self.pipe.passed_bytes,
            "dropped_full": self.pipe.dropped_full,
            "dropped_lost": self.pipe.dropped_lost,
            "refused": self.refused,
            "late_p50_us": late[len(late) // 2] // 1_000,
            "late_p99_us": late[len(late) * 99 // 100] // 1_000,
            "late_max_us": late[-1] // 1_000,
        }


class Relay:
    def __init__(self, devices: tuple[int, int], control: int) -> None:
        self._devices = devices
        self._control = control
        self._directions = {
            devices[0]: Direction(devices[0], devices[1]),
            devices[1]: Direction(devices[1], devices[0]),
        }

    def run(self) -> None:
        watched = [*self._directions, self._control]
        while True:
            ready, _, _ = select.select(watched, [], [], self._patience_seconds())
            for each in ready:
                if each != self._control:
                    self._directions[each].take()
                elif not self._obey():
                    return
            for direction in self._directions.values():
                direction.deliver(time.monotonic_ns())

    def _patience_seconds(self) -> float | None:
        dues = [direction.due_ns for direction in self._directions.values() if direction.due_ns is not None]
        return max(0, min(dues) - time.monotonic_ns()) / NANOSECONDS if dues else None

    def _obey(self) -> bool:
        """False at the end of the input. A command is one line, written at once by the bench."""
        line = os.read(self._control, 4_096)
        if not line:
            return False
        command: dict[str, Any] = json.loads(line)
        if "link" in command:
            self._set(WanLink(**command["link"]))
        answer = [direction.counts() for direction in self._directions.values()]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        return True

    def _set(self, link: WanLink) -> None:
        for device, direction in self._directions.items():
            fcntl.ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | (TUN_F_TSO4 if link.segments_per_frame > 1 else 0))
            direction.set(link)


def open_tun(name: str) -> int:
    """A TUN device of this name, gone when the descriptor is closed. Raises OSError."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM)
    return device


def main() -> None:
    devices = (open_tun(sys.argv[1]), open_tun(sys.argv[2]))
    os.sched_setscheduler(0, os.SCHED_FIFO, PRIORITY)
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()  # nothing here makes cycles
    sys.stdout.write("[]\n")
    sys.stdout.flush()
    try:
        Relay(devices, sys.stdin.fileno()).run()
    except KeyboardInterrupt:
        return  # Ctrl-C reaches every process; the benchmark reports it


if __name__ == "__main__":
    main()

"""One device's days: when its user opens the app, what it asks, downloads, starts and reports, and what fails.

A generator that yields when it wants to go on, in milliseconds since the epoch; in between the node's time is that.
Android's downloads report singly, arrays wait while the device is offline, single objects are lost then; an answer that
gets lost on its way makes the device send an array again.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

from edge.device.identity import build_info
from tests.truth.diary import Checked, Diary, Sent, Told, Used
from tests.truth.generations import NATIVE, Member
from tests.truth.in_process import InProcess

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

OFFLINE, LOST_ANSWER, KILLED, CRASHED, ERRORS, RETURNS = 0.06, 0.04, 0.04, 0.02, 0.05, 0.2
USES, BUYS, CUT = 0.4, 0.1, 0.1
ZIP_BYTES = 1_000
FEATURES = ("search", "checkout", "share")

_Pending = tuple[int, dict[str, Any]]  # an event's serial, and what is sent


class Life:
    """`fails` is the chance that a bundle does not start here."""

    def __init__(
        self, index: int, member: Member, node: InProcess, diary: Diary, fails: Callable[[str], float], seed: int
    ) -> None:
        self._index, self._member, self._node, self._diary, self._fails = index, member, node, diary, fails
        self._draw = random.Random(f"life {seed} {index}")
        self._runs = self._previous = ""  # "": builtin
        self._next = ""  # downloaded, starts when the app is left
        self._bad: set[str] = set()
        self._crashed = False
        self._serial = self._later_ms = 0
        self._offline = False
        self._queue: list[_Pending] = []  # not yet sent
        self._again: list[_Pending] = []  # sent, and the answer was lost
        self._infos: dict[tuple[str, str], dict[str, Any]] = {}

    def run(self, until_ms: int) -> Iterator[int]:
        """Ends at `until_ms`."""
        day = self._node.now_ms // DAY * DAY
        while day < until_ms:
            visits = self._visits_of(day)
            for at in visits:
                if at >= until_ms:
                    return
                if at > self._node.now_ms:
                    yield at
                    yield from self._visit()
            day += DAY

    def _visits_of(self, day: int) -> list[int]:
        """Between 7 and 23 o'clock where it is."""
        count, left = 0, self._draw.expovariate(1.0)
        while left < self._member.visits_a_day and count < 12:
            count, left = count + 1, left + self._draw.expovariate(1.0)
        begin = day - self._member.zone_ms
        return sorted(begin + self._draw.randrange(7 * HOUR, 23 * HOUR) for _ in range(count))

    def _visit(self) -> Iterator[int]:
        draw = self._draw
        self._offline, self._dead = draw.random() < OFFLINE, False
        yield from self._open()
        if self._dead:
            return
        while True:
            yield self._in(draw.uniform(20, 600))
            self._live()
            self._use()
            if draw.random() < KILLED:
                return
            if draw.random() < CRASHED:
                self._crashed = True
                return
            self._tell("app_moved_to_background")
            yield from self._activate()
            self._send()
            if self._dead or draw.random() >= RETURNS:
                return
            yield self._in(draw.uniform(60, 1_700))
            self._tell("app_moved_to_foreground")
            self._send()

    def _open(self) -> Iterator[int]:
        """The app starts: what happened before is told, and the node is asked."""
        self._tell("app_moved_to_foreground")
        if self._member.owner.tells_launches:
            self._tell("app_launch_start")
        if self._crashed and self._member.owner.tells_crashes:
            self._tell("app_crash")
        self._crashed = False
        if self._runs in self._bad:
            self._ask()
            self._send()
            if self._draw.random() < 0.5:  # it dies again, before it could be undone
                self._offer, self._dead = "", True
                return
            yield self._in(31)
            yield from self._fall_back()
        self._ask()
        self._send()
        yield self._in(self._draw.choice((1, 15)))  # before what was heard is handed over, or after
        if self._member.owner.tells_launches:
            self._tell("app_launch_ready")
        yield from self._fetch()
        self._send()

    def _ask(self) -> None:
        self._offer = ""
        if self._offline:
            return
        owner = self._member.owner
        answer = self._node.check(self._info(self._runs, ""), owner.peer, owner.country)
        version = answer.get("version", "")
        if "error" not in answer and "kind" not in answer and version not in ("", self._name(self._runs)):
            self._offer = version
        offered = "" if self._offer == "builtin" else self._offer
        self._note(Checked(self._node.now_ms, self._index, self._runs or NATIVE, offered))

    def _fetch(self) -> Iterator[int]:
        """Download what was offered."""
        version, profile = self._offer, self._member.profile
        if not version:
            return
        if version == "builtin":
            before, self._runs = self._runs, ""
            self._tell("reset", "", before)
            return
        if profile.reports_phases:
            self._tell_download("download_manifest_start", version)
        self._tell_download("download_0", version)
        self._send()
        seconds = self._draw.uniform(1, 90)
        yield self._in(seconds)
        if self._draw.random() < CUT:
            self._deliver(version, self._draw.randrange(ZIP_BYTES), seconds)
        self._deliver(version, ZIP_BYTES, seconds)
        if self._draw.random() < 0.02:
            self._tell("download_fail", self._runs)
            return
        if profile.reports_phases:
            self._tell_download("download_manifest_complete", version)
        self._tell("download_complete", version)
        if profile.reports_next:
            self._tell("set_next", version, self._runs)
        self._next = version
        if self._draw.random() < 0.3:
            yield from self._activate()

    def _deliver(self, version: str, size_bytes: int, seconds: float) -> None:
        self._node.deliver(version, size_bytes, ZIP_BYTES, seconds)
        self._diary.entries.append(Sent(self._node.now_ms, version, size_bytes, size_bytes == ZIP_BYTES))

    def _activate(self) -> Iterator[int]:
        """Start what was downloaded; a boot that fails is undone after a while, or at the next launch."""
        if not self._next:
            return
        before, self._runs, self._next = self._runs, self._next, ""
        self._previous = before
        self._tell("set", self._runs, before)
        if self._runs not in self._bad and self._draw.random() >= self._fails(self._runs):
            self._diary.works.add((self._index, self._runs))
            return
        self._bad.add(self._runs)
        if self._draw.random() < 0.5:  # the process dies: told at the next start
            self._dead = True
            return
        self._send()
        yield self._in(31)
        yield from self._fall_back()

    def _fall_back(self) -> Iterator[int]:
        failed, self._runs = self._runs, self._previous
        self._tell("update_fail", failed)
        if self._member.profile.reports_reset_of_failed_boot:
            self._tell("reset", "", failed)
        if self._runs:
            self._tell("set", self._runs, "")
        self._send()
        yield self._in(12)

    def _live(self) -> None:
        """What happens while somebody uses the app."""
        self._later_ms = 0
        if self._member.owner.tells_errors:
            while self._draw.random() < ERRORS:
                self._tell("webview_javascript_error", metadata={"message": f"fault {self._serial}"})
                self._later_ms += 1  # two of one millisecond would be one

    def _use(self) -> None:
        """The app's own code tells what its user does; its requests are sent again until an answer comes."""
        if self._offline or self._draw.random() >= USES:
            return
        at_ms = self._node.now_ms + self._member.skew_ms
        given: list[tuple[str, str, float | None]] = [("feature", self._draw.choice(FEATURES), None)]
        if self._draw.random() < BUYS:
            given.append(("purchase", "plan", float(self._draw.randrange(1, 5_000)) / 4))
        if self._draw.random() < BUYS:
            given.append(("duration", "search", self._draw.uniform(0.01, 30.0)))
        if self._draw.random() < ERRORS:
            given.append(("error", "no route", None))
        events = [
            {"kind": kind, "name": name, "time": at_ms} | ({} if value is None else {"value": value})
            for kind, name, value in given
        ]
        body = {"app_id": self._member.identity.app, "device_id": self._member.owner.id, "events": events}
        used = []
        for kind, name, value in given:
            self._serial += 1
            used.append(Used(self._node.now_ms, self._index, kind, name, value, self._serial))
        for _ in range(2 if self._draw.random() < LOST_ANSWER else 1):
            self._node.use(body, "", self._member.owner.peer, lambda taken: self._note_all(used if taken else []))

    # What it says.

    def _tell(
        self, action: str, version: str | None = None, old: str = "", metadata: dict[str, str] | None = None
    ) -> None:
        """Queue it. `version` None: what runs; "" is builtin."""
        version = self._runs if version is None else version
        event = self._info(version, old) | {"action": action} | ({"metadata": metadata} if metadata else {})
        owner = self._member.owner
        if owner.dated:
            event["timestamp"] = self._node.now_ms + self._member.skew_ms + self._later_ms
        self._serial += 1
        self._queue.append((self._serial, event))

    def _tell_download(self, action: str, version: str) -> None:
        """Android's worker sends these one by one, without a time."""
        if not self._member.profile.android:
            self._tell(action, version)
            return
        self._serial += 1
        self._post([(self._serial, self._info(version, "") | {"action": action})], single=True)

    def _send(self) -> None:
        """What waits, and what was sent and not heard to have arrived."""
        if not self._member.owner.dated:
            queue, self._queue = self._queue, []
            for each in queue:
                self._post([each], single=True)
            return
        pending, resent = self._again + self._queue, bool(self._again)
        if self._offline or not pending:
            return
        self._again, self._queue = [], []
        if self._member.owner.mute:
            return
        self._post(pending, single=False)
        if not resent and self._draw.random() < LOST_ANSWER:
            self._again = pending

    def _post(self, pending: list[_Pending], *, single: bool) -> None:
        if self._offline or self._member.owner.mute:
            return
        body = pending[0][1] if single else [event for _, event in pending]
        told = [self._told(serial, event) for serial, event in pending]

        def answered(taken: bool) -> None:
            if not taken:
                self._diary.refused += 1
                return
            self._diary.sent += len(told)
            self._diary.entries.extend(told)

        self._node.report(body, self._member.owner.peer, answered)

    def _told(self, serial: int, event: dict[str, Any]) -> Told:
        named, old = event["version_name"], event.get("old_version_name", "")
        device_ms = event.get("timestamp")
        return Told(self._node.now_ms, self._index, event["action"], named, serial, device_ms, old)

    def _note(self, entry: Checked) -> None:
        self._diary.entries.append(entry)

    def _note_all(self, used: list[Used]) -> None:
        self._diary.entries.extend(used)

    def _in(self, seconds: float) -> int:
        return self._node.now_ms + int(seconds * SECOND)

    def _name(self, version: str) -> str:
        """As it calls a bundle; on builtin that word or the native version."""
        return version or ("builtin" if self._member.profile.sends_builtin else NATIVE)

    def _info(self, version: str, old: str) -> dict[str, Any]:
        info = self._infos.get((version, old))
        if info is None:
            info = build_info(self._member.profile, self._member.identity, self._name(version), "")
            if old and self._member.profile.sends_old_version_name:
                info |= {"old_version_name": self._name(old)}
            self._infos[version, old] = info
        return info

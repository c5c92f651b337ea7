"""One message to very many devices, all the way: registrations are folded, the message is planned into the outbox, and
sent from there through a real provider to its double. Used by `python -m tests.drills.push_million --outbox`.

One device in a hundred has a dead token, one in five hundred one that is refused. Printed for each stage: seconds, and
CPU of this process a device; and the most memory. Faults are counts that differ, at the double or in the outbox.
"""

import asyncio
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tests.worlds.places import ROOT

sys.path[:0] = [str(ROOT / "tests" / "worlds"), str(ROOT / "tests")]

from factories import APP, a_change  # noqa: E402
from node_world import a_truth  # noqa: E402
from telemetry_lines import write_segment  # noqa: E402

from edge.domain.changes.messages.message_commands import CreateMessage, NewMessageText, SetMessageCaps  # noqa: E402
from edge.domain.facts import NO_FACTS  # noqa: E402
from edge.domain.pushing.payload import ProviderKind  # noqa: E402
from edge.domain.targeting.places import NO_PLACE  # noqa: E402
from edge.push.audience import open_audience  # noqa: E402
from edge.push.director import DirectorParts, PushDirector  # noqa: E402
from edge.push.outbox_file import PushOutboxFile  # noqa: E402
from edge.push.outbox_schema import SendState  # noqa: E402
from edge.push.providers.port import PushProvider  # noqa: E402
from edge.push.registered import RegisteredDevices  # noqa: E402
from edge.push.serial_outbox import SerialOutbox  # noqa: E402
from edge.store.revisions import Revisions  # noqa: E402
from edge.telemetry.folding.fold import fold  # noqa: E402
from edge.telemetry.spool.push_records import PushRegistration, encode_push  # noqa: E402

SEGMENT_DEVICES = 50_000
AHEAD_SECONDS = 600  # the message is planned so long before it is due: the stages are apart

TokenOf = Callable[[str, int], str]


class MeteredOutbox(SerialOutbox):
    """Notes what each kind of work takes of its thread's CPU time."""

    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        self.seconds, self.calls = Counter[str](), Counter[str]()

    def _work(self, work: Callable[[PushOutboxFile], Any]) -> Any:
        name = getattr(getattr(work, "func", None), "__name__", "others")
        began = time.thread_time()
        try:
            return super()._work(work)
        finally:
            self.seconds[name] += time.thread_time() - began
            self.calls[name] += 1


class OutboxRun:
    """`now` is the clock of everything here but the provider's own."""

    def __init__(self, folder: Path, kind: ProviderKind, count: int, token_of: TokenOf) -> None:
        self._kind, self._count, self._token_of = kind, count, token_of
        self.truth, self.now = a_truth(folder), time.time() - AHEAD_SECONDS
        self.dead = 0
        self.faults: list[str] = []
        self._registered = RegisteredDevices(self.truth.counts_database)
        self._thread = ThreadPoolExecutor(1)
        self.outbox_path = folder / "outbox.sqlite"

    def register(self, fate_of: Callable[[int], str]) -> None:
        self.truth.spool_dir.mkdir(parents=True, exist_ok=True)
        numbers = iter(range(self._count))
        for segment in range(-(-self._count // SEGMENT_DEVICES)):
            lines = []
            for number in islice(numbers, SEGMENT_DEVICES):
                name, token = f"{number:08x}-eefe-490a-9c60-8e965132ae51", self._token_of(fate_of(number), number)
                record = PushRegistration(APP, name, self._kind.value, token, "Europe/Berlin", "de-DE")
                lines.append(encode_push(record, self.now))
            write_segment(self.truth.spool_dir, lines, worker=segment)
        with self._stage("registrations: fold"):
            fold(self.truth.spool_dir, self.truth.counts_database, now=self.now + 1)
        if (n := self._registered.count(APP)) != self._count:
            self.faults.append(f"{n} devices are registered")

    async def send(self, provider: PushProvider) -> Counter[SendState]:
        """How many sends ended in which state."""
        due = int(self.now + AHEAD_SECONDS) // 60 * 60
        when = datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%d %H:%M UTC")
        caps = SetMessageCaps(per_day=10_000_000)
        texts = (NewMessageText(title="An offer", body="Today."),)
        create = CreateMessage(texts=texts, when=when, expected=self._count)
        for command in (caps, create):
            self.truth.releases.commit(APP, a_change(command, at=self.now))
        (message,) = self.truth.releases.load(APP).messages
        outbox = MeteredOutbox(PushOutboxFile(self.outbox_path, self.now), self._thread)
        director = PushDirector(self._parts(provider), outbox)
        director.hear(self.truth.releases.heads())
        with self._stage("plan", outbox):
            await director.look()
            await director.planned()
        self.now = max(due + 1.0, time.time())  # the double's clock, whose tokens are as young as they say
        began = time.monotonic()
        with self._stage("send", outbox):
            await director.look()
            held = await outbox.do(lambda file: file.message(APP, message))
            assert held is not None, "it is planned"
            while not self.faults and not await outbox.do(partial(PushOutboxFile.is_over, message=held.id)):
                await asyncio.sleep(0.5)
                self.now = max(due + 1.0, time.time())
        print(f"  {self._count / (time.monotonic() - began):,.0f} a second", flush=True)
        found = await outbox.do(lambda file: file.tally(held.id))
        for lane in director.lanes.values():
            await lane.close()
        for each in director.tasks:
            each.cancel()
        self._thread.shutdown()
        outbox.file.close()
        return Counter({state: n for (_, state), n in found.items()})

    def _parts(self, provider: PushProvider) -> DirectorParts:
        revisions = Revisions(self.truth.store)
        return DirectorParts(
            load=lambda app, head: revisions.load_revision(app, head.revision, head.digest),
            audience=lambda state, message: open_audience(
                self.truth.store, state, message, NO_PLACE, lambda app, device: NO_FACTS
            ),
            providers_of=lambda app: {self._kind: provider},
            registered=self._registered,
            keep=self._keep,
            take_turn=self._take_turn,
            tell=lambda *told: self.faults.append(f"people were told {told}"),
            now=lambda: self.now,
        )

    async def _take_turn(self, *turn: object) -> bool:
        return True

    async def _keep(self, record: object) -> None:
        self.dead += type(record).__name__ == "DeadPushToken"

    @contextmanager
    def _stage(self, name: str, outbox: MeteredOutbox | None = None) -> Iterator[None]:
        began, used = time.monotonic(), time.process_time()
        before = Counter(outbox.seconds) if outbox is not None else Counter[str]()
        yield
        micro = 1e6 / self._count
        parts = {}
        if outbox is not None:
            parts = {of: (n - before[of]) * micro for of, n in outbox.seconds.items() if n - before[of] > 0}
        shown = ", ".join(f"{of} {n:.1f}" for of, n in sorted(parts.items(), key=lambda each: -each[1]) if n > 0.1)
        print(
            f"  {name:20} {time.monotonic() - began:7.1f} s"
            f", CPU {(time.process_time() - used) * micro:6.1f} µs a device"
            + (f", of these in the outbox: {shown}" if shown else "")
            + f"; {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most",
            flush=True,
        )

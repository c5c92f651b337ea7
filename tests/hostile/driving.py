"""Sends cases to a node over raw sockets and holds every answer against what must be true.

Requests that end where they say share a connection and are sent many at a time, each batch closed by an ordinary check
whose answer is known. The others get a connection each.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from tests.hostile.cases import Case
from tests.hostile.published import ZIP
from tests.hostile.reading import Answer, NotHttp, find_faults, take_answer
from tests.hostile.seeds import JSON_STATUSES, check_fields, posted

BATCH = 32  # requests sent at once on one connection
CONNECTIONS = 32  # at a time
ANSWER_SECONDS = 30.0  # longer is no answer, on a slow machine under full load too
QUIET_SECONDS = 0.03  # an incomplete request that got no answer by then is waited for, which is right
PIECE_SECONDS = 0.002  # between the pieces of a slow sender
FINDINGS_LIMIT = 100
READ_BYTES = 1 << 16


@dataclass
class Findings:
    """`faults` are the first ones, each with its case; `found` counts all."""

    statuses: Counter[str] = field(default_factory=Counter)
    closed: int = 0
    waited: int = 0
    sent: int = 0
    found: int = 0
    faults: list[tuple[Case, str]] = field(default_factory=list)

    def note(self, case: Case, fault: str) -> None:
        self.found += 1
        if len(self.faults) < FINDINGS_LIMIT:
            self.faults.append((case, fault))

    def answered(self, case: Case, answer: Answer) -> None:
        self.statuses[f"{case.route} {answer.status}"] += 1
        for fault in find_faults(case, answer, ZIP):
            self.note(case, f"{fault}: {answer.status} {answer.body[:300]!r}")


class Driver:
    def __init__(self, port: int) -> None:
        self.findings = Findings()
        self._port = port
        self._probes = 0

    async def drive(self, cases: Iterable[Case], progress: Callable[[int], None] = lambda sent: None) -> None:
        """Send them all. Raises what the network raises when the node is gone."""
        batches = _batches(cases)

        async def work() -> None:
            for framed, alone in batches:  # one iterator for all workers
                await self._send_framed(framed)
                for case in alone:
                    await self._send_alone(case)
                self.findings.sent += len(framed) + len(alone)
                progress(self.findings.sent)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(work())

    async def _send_framed(self, cases: list[Case]) -> None:
        """All of them, with the probe behind; after an answer that closes, the rest on another connection."""
        waiting = [*cases, self._probe()]
        while waiting:
            answered = await self._pipeline(waiting)
            waiting = waiting[answered:]
            if not answered:
                # The first one's connection ended without a word, or its answer was lost when the node closed on the
                # requests behind it: alone, nothing is behind it.
                await self._send_alone(waiting.pop(0))

    async def _pipeline(self, cases: list[Case]) -> int:
        """How many were answered before the connection ended."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        buffer = bytearray()
        answered = 0
        try:
            writer.write(b"".join(case.pieces[0] for case in cases))
            for case in cases:
                answer = await self._read(reader, buffer, case)
                if answer is None:
                    return answered
                self._take(case, answer)
                answered += 1
                if answer.closes:
                    return answered
        except NotHttp as error:
            self.findings.note(cases[answered], f"no HTTP: {error}")
            answered += 1
        except TimeoutError:
            self.findings.note(cases[answered], "no answer in time")
            answered += 1
        finally:
            writer.transport.abort()
        return answered

    async def _send_alone(self, case: Case) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        buffer = bytearray()
        seconds = QUIET_SECONDS if case.may_wait else ANSWER_SECONDS
        try:
            for number, piece in enumerate(case.pieces):
                if number:
                    await asyncio.sleep(PIECE_SECONDS)
                writer.write(piece)
            answer = await self._read(reader, buffer, case, seconds)
            if answer is None:
                self._closed(case)
            while answer is not None:
                self._take(case, answer)
                answer = None if answer.closes else take_answer(buffer, head=case.head)
        except NotHttp as error:
            self.findings.note(case, f"no HTTP: {error}")
        except TimeoutError:
            self._waited(case)
        finally:
            writer.transport.abort()

    async def _read(
        self, reader: asyncio.StreamReader, buffer: bytearray, case: Case, seconds: float = ANSWER_SECONDS
    ) -> Answer | None:
        """The next answer; None when the connection ended. Raises NotHttp, TimeoutError."""
        answer = take_answer(buffer, head=case.head)
        async with asyncio.timeout(seconds):
            while answer is None:
                try:
                    received = await reader.read(READ_BYTES)
                except ConnectionError:
                    received = b""
                if not received:
                    return None
                buffer += received
                answer = take_answer(buffer, head=case.head)
        return answer

    def _take(self, case: Case, answer: Answer) -> None:
        if case.kind != PROBE:
            self.findings.answered(case, answer)
        elif not _is_right(answer):
            self.findings.note(case, f"an ordinary check was answered {answer.status} {answer.body[:300]!r}")

    def _closed(self, case: Case) -> None:
        self.findings.closed += 1
        if not case.may_close:
            self.findings.note(case, "closed without an answer")

    def _waited(self, case: Case) -> None:
        self.findings.waited += 1
        if not case.may_wait:
            self.findings.note(case, "no answer in time")

    def _probe(self) -> Case:
        self._probes += 1
        marker = f"mk{0xF0000000 + self._probes:08x}"
        fields = check_fields(marker) | {"version_name": "1.0.0"}
        data = posted("/updates", fields, JSON_STATUSES).encode()
        return Case(-1, PROBE, "/updates", marker.encode(), (data,), JSON_STATUSES)


PROBE = "an ordinary check"


def _is_right(answer: Answer) -> bool:
    """The offer, or "nothing new" from a worker that is overloaded."""
    if answer.status != 200:
        return False
    said = json.loads(answer.body)
    shed = said.get("kind") == "up_to_date" and said["version"] == "1.0.0"
    return shed or (said.get("version") == "1.0.1" and said["url"].endswith(".zip") is False and "manifest" in said)


def _batches(cases: Iterable[Case]) -> Iterator[tuple[list[Case], list[Case]]]:
    every = iter(cases)
    while chunk := list(islice(every, BATCH)):
        yield [case for case in chunk if case.framed], [case for case in chunk if not case.framed]

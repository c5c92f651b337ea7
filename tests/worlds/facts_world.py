"""Facts, slots and directories for the tests of device facts; every argument has a valid default."""

import contextlib
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from edge.domain.facts import NO_FACTS, Cause, DeviceFacts, Failure, FailureStage, hour_of
from edge.facts.changes import FactChange, change_facts
from edge.facts.log import list_logs, read_slots
from edge.facts.pages import FactPages, create_pages
from edge.facts.recovery import recover
from edge.facts.slot import encode_slot, key_of
from edge.facts.table import FactsTable

NOW = 1_760_000_000.0
TODAY = 20_370
HOUR = hour_of(NOW)
APP = "com.acme.shop"
SEED = 77


def device(number: int) -> str:
    return f"{number:08x}-1d2a-4c3b-9e8f-112233445566"


def offer_of(number: int) -> DeviceFacts:
    return DeviceFacts(offered=(number + 1,))


def failures_of(*numbers: int) -> tuple[Failure, ...]:
    return tuple(Failure(number + 1, FailureStage.FOR_GOOD, Cause.UPDATE_FAIL, 0, HOUR) for number in numbers)


def full_of(value: int, turn: int) -> DeviceFacts:
    """As much as a slot holds, all of it of these numbers."""
    failure = Failure(value, FailureStage.FOR_GOOD, Cause.UPDATE_FAIL, value % 64, turn % 60_000)
    return DeviceFacts(value, (failure,) * 3, (value,), value)


def choice_of(number: int) -> DeviceFacts:
    return DeviceFacts(channel=number + 1)


def a_slot(number: int, facts: DeviceFacts, day: int = TODAY) -> bytes:
    return encode_slot(key_of(APP, device(number), SEED), facts, day)


@contextlib.contextmanager
def a_table(directory: Path, capacity: int = 1000) -> Iterator[tuple[FactPages, FactsTable]]:
    """A new table: its writing and its reading side."""
    path = directory / "facts.table"
    create_pages(path, capacity, SEED)
    pages, table = FactPages(path, capacity), FactsTable(path)
    try:
        yield pages, table
    finally:
        pages.close()
        table.close()


def no_sync(fd: int) -> None:
    """For tests of what is kept, not of what survives a power cut."""


@contextlib.contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """Writes beyond it fail, in the middle of a write too: as a full disk's do."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


class Model:
    """What every device's facts must be: a plain dict."""

    def __init__(self) -> None:
        self.facts: dict[tuple[str, str], DeviceFacts] = {}

    def record(self, changes: list[FactChange], now: float = NOW) -> None:
        for change in changes:
            key = change.app, change.device
            self.facts[key] = change_facts(self.facts.get(key, NO_FACTS), change, now)

    def differences(self, table: FactsTable) -> dict:
        looked = {key: table.look_up(*key) for key in self.facts}
        return {key: (looked[key], facts) for key, facts in self.facts.items() if looked[key] != facts}


def differences_after_recovery(model: Model, directory: Path, scratch: Path, capacity: int = 1000) -> dict:
    """Recover a copy of the directory as a start would, and compare."""
    copy = Path(shutil.copytree(directory, scratch))
    recover(copy, capacity).pages.close()
    table = FactsTable(copy / "facts.table")
    try:
        return model.differences(table)
    finally:
        table.close()
        shutil.rmtree(copy)


def logged(directory: Path) -> list[bytes]:
    return [slot for path in list_logs(directory) for slot in read_slots(path)]


def bytes_on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.iterdir()))

"""Recovery at the writer's start: the table as it was left, with the log replayed onto it.

How the last writer ended does not matter. Each page of the table on disk is from some moment after the last compaction;
the log holds every state since then, and replaying a state twice is harmless.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Conflict
from edge.facts.log import count_slots, list_logs, log_number, read_seed, read_slots
from edge.facts.migration import migrate
from edge.facts.pages import TABLE_NAME, FactPages, create_pages
from edge.facts.slot import NewerFacts, UnreadableFacts
from edge.store.disk.room import cannot_write
from edge.store.disk.set_aside import set_aside

_LOCK_NAME = "facts.lock"
_EARLIER_MIGRATION = "facts.table.bringing-up"  # what earlier releases called a migration that they did not finish
_WHAT_IS_LOST = (
    "as many devices may have lost a channel that they chose, or a failure that they reported; they are served all the "
    "same. Check the disk; users who miss their channel choose it again"
)


class FactsInUse(Conflict):
    """Another process writes these facts."""


class Recovered(NamedTuple):
    """What a start found."""

    pages: FactPages
    next_number: int  # of the next log
    slots: int  # replayed
    problems: tuple[str, ...]  # what could not be read and was set aside, for the operator
    damaged_slots: int  # of logs; each was the latest state of a device, unless a later one follows


def lock_facts(directory: Path) -> int:
    """A descriptor that keeps other writers out until it is closed. Raises FactsInUse `facts_in_use`, OSError."""
    path = directory / _LOCK_NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if not cannot_write(error) or not path.exists():
            raise
        fd = os.open(path, os.O_RDONLY)  # enough for a lock
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise FactsInUse("facts_in_use", f"{directory} is in use: another node runs on this data") from error
    return fd


def check_free(directory: Path) -> None:
    """Before anything is touched. Raises FactsInUse `facts_in_use`; a directory that cannot be locked, or is none yet,
    is found out about when it is opened."""
    if (directory / _LOCK_NAME).is_file():
        with suppress(OSError):
            os.close(lock_facts(directory))


def recover(directory: Path, capacity: int) -> Recovered:
    """The table with everything that was acknowledged; the previous release's format is migrated first. A damaged table
    is set aside, and only the contents of its log are kept. `capacity` is in devices. Raises NewerFacts, OSError.
    """
    for leftover in (*directory.glob("*.new"), *directory.glob(_EARLIER_MIGRATION)):
        with suppress(OSError):  # a file system that is read-only: nothing reads it
            leftover.unlink()
    problems = migrate(directory, capacity)
    logs = list_logs(directory)
    seeds = _read_seeds(logs, problems)
    try:
        pages = _open_table(directory / TABLE_NAME, capacity, list(seeds.values()))
    except UnreadableFacts as error:
        if isinstance(error, NewerFacts):
            raise
        problems.append(str(error))
        set_aside(directory / TABLE_NAME, str(error), "only the contents of its log are kept")
        pages = _open_table(directory / TABLE_NAME, capacity, list(seeds.values()))
    slots, damaged = 0, sum(count_slots(path) for path in logs if path not in seeds)
    for path, seed in seeds.items():
        if seed != pages.seed:  # its table is gone: whose facts these are cannot be known
            problems.append(f"{path.name} belongs to another table")
            damaged += count_slots(path)
            continue
        missed: list[int] = []
        for slot in read_slots(path, missed.append):
            pages.replay(slot)
            slots += 1
        if missed:
            problems.append(_lost(path, sum(missed)))
            damaged += sum(missed)
    return Recovered(pages, log_number(logs[-1]) + 1 if logs else 1, slots, tuple(problems), damaged)


def _lost(path: Path, slots: int) -> str:
    return f"{slots} record{'s' * (slots > 1)} of {path} cannot be read: {_WHAT_IS_LOST}"


def _open_table(path: Path, capacity: int, seeds: list[int]) -> FactPages:
    if not path.exists():
        create_pages(path, capacity, seeds[-1] if seeds else None)
    return FactPages(path, capacity)


def _read_seeds(logs: list[Path], problems: list[str]) -> dict[Path, int]:
    seeds = {}
    for path in logs:
        try:
            seeds[path] = read_seed(path)
        except UnreadableFacts as error:
            if isinstance(error, NewerFacts):
                raise
            problems.append(str(error))
    return seeds

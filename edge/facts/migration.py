"""Migration of device facts from format 1, at the first start after an update.

Everything in the old table and its logs goes into a new table beside them, which takes the old one's name when it is
durable; then the old logs are removed. If the migration is interrupted, the next start begins it again or only removes
the logs: nothing is written in format 2 before they are gone.
"""

from collections.abc import Iterable
from pathlib import Path

from edge.facts import format1 as old
from edge.facts.log import list_logs
from edge.facts.pages import TABLE_NAME, FactPages, create_pages
from edge.facts.slot import PAGE_BYTES, NewerFacts, UnreadableFacts, encode_slot, parse_header
from edge.store.disk.durable_files import sync_directory
from edge.store.disk.set_aside import set_aside

_UNFINISHED = "facts.table.migrating"


def migrate(directory: Path, capacity: int) -> list[str]:
    """Does nothing where nothing is in format 1. Returns what could not be read and was set aside, for the operator.
    Blocks: some seconds for a million devices. `capacity` is in devices. Raises NewerFacts, OSError.
    """
    table, unfinished = directory / TABLE_NAME, directory / _UNFINISHED
    if unfinished.exists():  # asked first: a read-only file system refuses to remove what is not there, too
        unfinished.unlink()
    logs = {path: seed for path in list_logs(directory) if (seed := old.seed_of_log(path)) is not None}
    seed = old.seed_of_table(table) if table.exists() else None
    if seed is None and (not logs or _is_current(table)):
        _remove(logs)
        return []
    problems = []
    if seed is None:
        seed = list(logs.values())[-1]
        if table.exists():
            problems.append("the facts table is damaged; only the contents of its log are kept")
            set_aside(table, "no table of device facts", "only the contents of its log are kept")
    problems += [f"{path.name} belongs to another table" for path, its in logs.items() if its != seed]
    _convert(table, [path for path, its in logs.items() if its == seed], unfinished, seed, capacity)
    unfinished.rename(table)
    sync_directory(directory)
    _remove(logs)
    return problems


def _is_current(table: Path) -> bool:
    """Raises NewerFacts."""
    try:
        with table.open("rb") as file:
            parse_header(file.read(PAGE_BYTES), table.stat().st_size)
    except NewerFacts:
        raise
    except (FileNotFoundError, UnreadableFacts):
        return False
    return True


def _remove(logs: Iterable[Path]) -> None:
    """Oldest first: an older log without the later ones would bring back an earlier state."""
    for path in logs:
        path.unlink()
        sync_directory(path.parent)


def _convert(table: Path, logs: list[Path], unfinished: Path, seed: int, capacity: int) -> None:
    create_pages(unfinished, capacity, seed)
    pages = FactPages(unfinished, capacity)
    try:
        if table.exists():
            for slot in old.read_table(table):
                _put(pages, slot)
        for path in logs:
            for slot in old.read_log(path):
                _put(pages, slot)
        pages.sync()
    finally:
        pages.close()


def _put(pages: FactPages, slot: old.OldSlot) -> None:
    pages.put(encode_slot(slot.key, slot.facts, slot.day))

"""From format 1 of the device facts to the one of this release, at the first start after an update.

A new table is made beside the old one from all that the old table and its logs hold, and takes its name when it is
durable; then the old logs go. Whatever interrupts it, the next start begins again or only removes the logs: nothing is
written in format 2 before they are gone.
"""

from collections.abc import Iterable
from pathlib import Path

from edge.facts import format1 as old
from edge.facts.log import list_logs
from edge.facts.pages import TABLE_NAME, FactPages, create_pages
from edge.facts.slot import PAGE_BYTES, NewerFacts, UnreadableFacts, encode_slot, parse_header
from edge.store.disk.durable_files import sync_directory

_UNBORN = "facts.table.bringing-up"


def bring_up(directory: Path, capacity: int) -> list[str]:
    """Nothing happens where nothing is of format 1. Blocks: some seconds for a million devices. Answers what could not
    be read and was left aside. Raises NewerFacts, OSError.
    """
    table, unborn = directory / TABLE_NAME, directory / _UNBORN
    unborn.unlink(missing_ok=True)
    logs = {path: seed for path in list_logs(directory) if (seed := old.seed_of_log(path)) is not None}
    seed = old.seed_of_table(table) if table.exists() else None
    if seed is None and (not logs or _is_current(table)):
        _remove(logs)
        return []
    problems = []
    if seed is None:
        seed = list(logs.values())[-1]
        if table.exists():
            problems.append("the facts table is damaged; what its log knows stays")
            table.rename(directory / f"{TABLE_NAME}.damaged")
    problems += [f"{path.name} belongs to another table" for path, its in logs.items() if its != seed]
    _convert(table, [path for path, its in logs.items() if its == seed], unborn, seed, capacity)
    unborn.rename(table)
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
    """The oldest first: were an older one left without a later one, it would bring back what was true once."""
    for path in logs:
        path.unlink()
        sync_directory(path.parent)


def _convert(table: Path, logs: list[Path], unborn: Path, seed: int, capacity: int) -> None:
    create_pages(unborn, capacity, seed)
    pages = FactPages(unborn, capacity)
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

"""Which of this node's segments home has whole, as it said: they need not be kept for it any longer. Durable.

Correctness does not rest on it: home says what it has. It tells what may be deleted while home is gone, and, should
home come back from an old backup, what it had once and has no more.
"""

import logging
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge.store.disk.durable_files import replace_file
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside

JOURNAL_FORMAT = 1
ENTRIES_LIMIT = 10_000  # a week of 32 workers has 5,400 segments; beyond it the earliest are forgotten

log = logging.getLogger("edge.regions")


class _JournalDocument(msgspec.Struct):
    format: int
    whole: dict[str, int]


class SentJournal:
    """In the file `path`; for one thread at a time. `whole` has each segment's bytes, the first sent first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.whole: dict[str, int] = {}
        try:
            found = msgspec.json.decode(read_own_file(path), type=_JournalDocument)
            if found.format == JOURNAL_FORMAT:
                self.whole = found.whole
        except FileNotFoundError:
            pass
        except (Damaged, msgspec.DecodeError, UnicodeDecodeError) as error:
            set_aside(path, str(error), "home is asked what it has, and nothing is lost")

    def add(self, names: Mapping[str, int]) -> None:
        """Home has all of these, of so many bytes. Raises OSError."""
        if not names:
            return
        self.whole |= names
        for earliest in list(self.whole)[: max(len(self.whole) - ENTRIES_LIMIT, 0)]:
            del self.whole[earliest]
        self._store()

    def take_back(self, names: list[str]) -> None:
        """Home has no longer all of them. Raises OSError."""
        for name in names:
            self.whole.pop(name, None)
        self._store()

    def _store(self) -> None:
        scratch = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        replace_file(self._path, msgspec.json.encode(_JournalDocument(JOURNAL_FORMAT, self.whole)), scratch)

"""Words of the figures by numbers, which their rows hold: apps, and each app's bundles, subjects, groups and cohorts.

A number stands for its word for good. The limits are those of `labels`.
"""

import enum
import sqlite3

import msgspec

from edge.domain.statistics.observation import Cohort, Group

NO_APP = 0  # the app of the words that are apps


class WordKind(enum.IntEnum):
    """What a word names; stored, so it never changes."""

    APP = 1
    BUNDLE = 2
    SUBJECT = 3
    GROUP = 4  # JSON of a Group
    COHORT = 5  # JSON of a Cohort
    CAUSE = 6  # an action


class Words:
    """In the caller's transaction; to be dropped if that is rolled back. Numbers are from 1."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[tuple[int, int, str], int] = {}
        self._words: dict[int, str] = {}

    def app(self, app: str) -> int:
        return self.number(NO_APP, WordKind.APP, app)

    def number(self, app: int, kind: WordKind, word: str) -> int:
        """The word's number, from now on at the latest."""
        found = self._numbers.get((app, kind, word))
        if found is None:
            found = self.known(app, kind, word)
            if found is None:
                row = self._connection.execute(
                    "INSERT INTO words (app, kind, word) VALUES (?, ?, ?)", (app, kind, word)
                )
                found = int(row.lastrowid or 0)
            self._numbers[app, kind, word] = found
        return found

    def known(self, app: int, kind: WordKind, word: str) -> int | None:
        """None if it has no number yet."""
        found = self._numbers.get((app, kind, word))
        if found is None:
            query = "SELECT id FROM words WHERE app = ? AND kind = ? AND word = ?"
            row = self._connection.execute(query, (app, kind, word)).fetchone()
            return int(row[0]) if row else None
        return found

    def word(self, number: int) -> str:
        """Raises KeyError for a number that stands for none."""
        if number not in self._words:
            row = self._connection.execute("SELECT word FROM words WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise KeyError(number)
            self._words[number] = row[0]
        return self._words[number]

    def beginning(self, app: int, kind: WordKind, prefix: str) -> list[str]:
        """The words of a kind that begin so."""
        query = "SELECT word FROM words WHERE app = ? AND kind = ? AND word >= ? AND word < ?"
        return [word for (word,) in self._connection.execute(query, (app, kind, prefix, prefix + "\U0010ffff"))]

    def app_of(self, number: int) -> int:
        """The app that the word is of. Raises KeyError."""
        row = self._connection.execute("SELECT app FROM words WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise KeyError(number)
        return int(row[0])

    def count(self, app: int, kind: WordKind) -> int:
        """How many of a kind an app has."""
        row = self._connection.execute("SELECT count(*) FROM words WHERE app = ? AND kind = ?", (app, kind))
        return int(row.fetchone()[0])


def encode_group(group: Group) -> str:
    return msgspec.json.encode(group).decode()


def encode_cohort(cohort: Cohort) -> str:
    """Without a region as before there were any, so that it is still the same word."""
    return msgspec.json.encode(cohort if cohort.region else cohort[:-1]).decode()


def read_group(word: str) -> Group:
    """For who only reads: a damaged word is that of no labels, until the fold meets it."""
    try:
        return parse_group(word)
    except msgspec.DecodeError:
        return Group()


def read_cohort(word: str) -> Cohort:
    """As `read_group`."""
    try:
        return parse_cohort(word)
    except msgspec.DecodeError:
        return Cohort()


def parse_group(word: str) -> Group:
    return msgspec.json.decode(word, type=Group)


def parse_cohort(word: str) -> Cohort:
    return msgspec.json.decode(word, type=Cohort)

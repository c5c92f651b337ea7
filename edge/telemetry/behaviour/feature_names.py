"""Which bit a feature's name has among those of its app: FEATURES_LIMIT names, first come, first served.

Names come from devices. So a name that the app's segments read always gets a bit: if need be, that of the name which
got its bit last and that no segment reads. All others are refused when the bits are gone, and counted.
"""

import sqlite3
from collections.abc import Iterable, Mapping

from edge.domain.behaviour.daily_counts import FEATURES_LIMIT
from edge.domain.targeting.checker import FEATURE_NAME_LIMIT


class FeatureNames:
    """The registry in one transaction of `connection`. `added` are the places that were given, by app and name;
    `freed` those that were taken from a name that no segment reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.added: dict[tuple[str, str], int] = {}
        self.freed: list[tuple[int, str, int]] = []  # the app's number and name, and the place
        self._connection = connection
        self._apps: dict[str, int] = {}
        self._places: dict[int, dict[str, int]] = {}

    def app_of(self, app: str) -> int:
        """The number that stands for the app in the tables of behaviour."""
        if app not in self._apps:
            self._connection.execute("INSERT OR IGNORE INTO behaviour_apps (app) VALUES (?)", (app,))
            row = self._connection.execute("SELECT id FROM behaviour_apps WHERE app = ?", (app,)).fetchone()
            self._apps[app] = row[0]
        return self._apps[app]

    def places(self, app: str) -> Mapping[str, int]:
        """The bits of all the app's names."""
        return self._places_of(self.app_of(app))

    def bits_of(self, app: str, names: Iterable[str], read: frozenset[str]) -> tuple[int, int]:
        """The bits of `names`, and how many of these have none. `read` are the names that the app's segments read."""
        places = self._places_of(self.app_of(app))
        bits = refused = 0
        for name in names:
            place = places.get(name)
            if place is None:
                place = self._add(app, name, read)
            if place is None:
                refused += 1
            else:
                bits |= 1 << place
        return bits, refused

    def _places_of(self, app: int) -> dict[str, int]:
        if app not in self._places:
            rows = self._connection.execute(
                "SELECT name, place FROM behaviour_features WHERE app = ? ORDER BY rowid", (app,)
            )
            self._places[app] = dict(rows.fetchall())
        return self._places[app]

    def _add(self, app: str, name: str, read: frozenset[str]) -> int | None:
        number = self.app_of(app)
        places = self._places_of(number)
        if not 0 < len(name) <= FEATURE_NAME_LIMIT:
            return None
        place = next(iter(set(range(FEATURES_LIMIT)) - set(places.values())), None)
        if place is None and name in read:
            place = self._freed(app, number, read)
        if place is None:
            return None
        places[name] = place
        self.added[app, name] = place
        self._connection.execute(
            "INSERT INTO behaviour_features (app, name, place) VALUES (?, ?, ?)", (number, name, place)
        )
        return place

    def _freed(self, app: str, number: int, read: frozenset[str]) -> int | None:
        """The place of a name that no segment reads and that loses it, on every device: some seconds a million."""
        places = self._places_of(number)
        unread = [name for name in places if name not in read]
        if not unread:
            return None
        name = unread[-1]
        place = places.pop(name)
        self.added.pop((app, name), None)
        self.freed.append((number, app, place))
        self._connection.execute("DELETE FROM behaviour_features WHERE app = ? AND name = ?", (number, name))
        mask = ~(1 << place) & (1 << FEATURES_LIMIT) - 1
        signed = mask - (1 << FEATURES_LIMIT) if mask >> (FEATURES_LIMIT - 1) else mask
        self._connection.execute("UPDATE behaviour SET features = features & ? WHERE app = ?", (signed, number))
        return place

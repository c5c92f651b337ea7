"""An app's registered devices, page by page, as the folding process keeps them. Reads, never writes."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from edge.domain.model import DeviceId, UpdateCheck
from edge.domain.pushing.payload import ProviderKind, PushTarget
from edge.domain.statistics.device_key import device_key
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.folding.words import NO_APP, WordKind, parse_cohort
from edge.telemetry.push.told_words import check_from
from edge.wire.push.registrations import PROVIDERS

PAGE_DEVICES = 2_000  # in memory at a time, some 2 MB
HOURS_SAMPLE = 20_000  # devices whose usual hours stand for the app's

_FIRST = -(1 << 63)  # below every key


class RegisteredDevice(NamedTuple):
    """`check`: what it would ask for now; None: it never reported, and nothing but `platform` is known. `provider` is
    the one with its latest token."""

    key: int
    device: str
    zone: str
    hours: bytes
    custom_id: str
    platform: str
    check: UpdateCheck | None
    provider: str


class DeviceAddress(NamedTuple):
    """How a device is reached by one provider; `locale` and `zone` as it registered, "" if it said none."""

    token: str
    locale: str = ""
    zone: str = ""


class RegisteredDevices:
    """Of one database of figures; opens it for each question, so that it may be set aside meanwhile."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def apps(self) -> list[str]:
        """Those with registered devices."""
        query = "SELECT w.word FROM words AS w JOIN push_counts AS c ON c.app = w.id WHERE w.app = 0 AND c.devices > 0"
        return [str(app) for (app,) in self._ask(query)]

    def count(self, app: str) -> int:
        query = "SELECT devices FROM push_counts WHERE app = ?"
        return sum(n for (n,) in self._ask_of(app, query))

    def by_provider(self, app: str) -> dict[str, int]:
        """Tokens."""
        query = "SELECT provider, count(*) FROM push_tokens WHERE app = ? AND token <> '' GROUP BY provider"
        return {PROVIDERS[place - 1]: n for place, n in self._ask_of(app, query)}

    def usual_hours(self, app: str) -> bytes:
        """How many of a sample's devices are used at which hour, as a device's own counters."""
        query = f"SELECT hours FROM push_devices WHERE app = ? LIMIT {HOURS_SAMPLE}"  # noqa: S608  a number of ours
        sums = [0] * 24
        for (hours,) in self._ask_of(app, query):
            for at, n in enumerate(hours):
                sums[at] += n
        most = max(sums)
        return bytes(each * 255 // most for each in sums) if most else bytes(24)

    def pages(self, app: str, after: int | None = None) -> Iterator[list[RegisteredDevice]]:
        """In the order of keys, from the one after `after` on. Other transactions may run between pages."""
        last = _FIRST if after is None else after
        while page := self._page(app, last):
            yield page
            last = page[-1].key

    def addresses(self, app: str, keys: Sequence[int], provider: str) -> dict[int, DeviceAddress]:
        """By one provider, as of now; without those that have left."""
        query = (
            "SELECT t.key, t.token, d.locale, d.zone FROM push_tokens AS t JOIN push_devices AS d ON d.app = t.app"  # noqa: S608  marks alone
            " AND d.key = t.key WHERE t.app = ? AND t.provider = ? AND t.token <> ''"
            f" AND t.key IN ({','.join('?' * len(keys))})"
        )
        found = self._ask_of(app, query, PROVIDERS.index(provider) + 1, *keys)
        return {key: DeviceAddress(*how) for key, *how in found}

    def targets(self, app: str, device: str) -> list[PushTarget]:
        """How one device can be reached."""
        query = "SELECT provider, token FROM push_tokens WHERE app = ? AND key = ? AND token <> '' ORDER BY provider"
        found = self._ask_of(app, query, device_key(app, device.lower()))
        return [PushTarget(ProviderKind(PROVIDERS[place - 1]), token) for place, token in found]

    def _page(self, app: str, after: int) -> list[RegisteredDevice]:
        connection = open_for_reading(self._database)
        if connection is None:
            return []
        with closing(connection):
            number = _number_of(connection, app)
            rows = connection.execute(
                "SELECT d.key, d.device, d.zone, d.hours, d.custom_id, d.platform, t.told, v.cohort"
                " FROM push_devices AS d LEFT JOIN push_told AS t ON t.id = d.told"
                " LEFT JOIN devices AS v ON v.app = d.app AND v.key = d.key"
                " WHERE d.app = ? AND d.key > ? ORDER BY d.key LIMIT ?",
                (number, after, PAGE_DEVICES),
            ).fetchall()
            providers = _providers(connection, number, [row[0] for row in rows])
            countries = _countries(connection, {row[7] for row in rows if row[7]})
        return [
            RegisteredDevice(
                *(key, device, zone, hours, custom_id, platform),
                _check(app, told, device, custom_id, countries.get(cohort, "")),
                providers.get(key, PROVIDERS[0]),
            )
            for key, device, zone, hours, custom_id, platform, told, cohort in rows
        ]

    def _ask_of(self, app: str, query: str, *values: object) -> list[Any]:
        connection = open_for_reading(self._database)
        if connection is None:
            return []
        with closing(connection):
            return connection.execute(query, (_number_of(connection, app), *values)).fetchall()

    def _ask(self, query: str) -> list[Any]:
        connection = open_for_reading(self._database)
        if connection is None:
            return []
        with closing(connection):
            return connection.execute(query).fetchall()


def _number_of(connection: sqlite3.Connection, app: str) -> int:
    query = "SELECT id FROM words WHERE app = ? AND kind = ? AND word = ?"
    row = connection.execute(query, (NO_APP, WordKind.APP, app)).fetchone()
    return int(row[0]) if row else -1


def _providers(connection: sqlite3.Connection, app: int, keys: Sequence[int]) -> Mapping[int, str]:
    """By the latest registration of each."""
    query = (
        "SELECT key, provider, seen_ms FROM push_tokens WHERE app = ? AND token <> ''"  # noqa: S608  marks alone
        f" AND key IN ({','.join('?' * len(keys))}) ORDER BY seen_ms"
    )
    return {key: PROVIDERS[place - 1] for key, place, _ in connection.execute(query, (app, *keys))}


def _countries(connection: sqlite3.Connection, cohorts: set[int]) -> Mapping[int, str]:
    marks = ",".join("?" * len(cohorts))
    rows = connection.execute(f"SELECT id, word FROM words WHERE id IN ({marks})", (*cohorts,))  # noqa: S608
    return {number: parse_cohort(word).country for number, word in rows}


def _check(app: str, told: str | None, device: str, custom_id: str, country: str) -> UpdateCheck | None:
    known = _check_of(app, told) if told else None
    if known is None:
        return None
    return known._replace(device=DeviceId(device), custom_id=custom_id, country=country)


@lru_cache(4_096)
def _check_of(app: str, told: str) -> UpdateCheck | None:
    """Devices of one build say the same words."""
    return check_from(told, app, "", "")

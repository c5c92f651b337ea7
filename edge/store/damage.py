"""What of the store a process cannot serve, at the smallest grain: found, said once in the log, and mended again.

One damage is one thing of one app: a bundle's manifest, a revision, an id set, a blob, or a whole app. It names the
command that repairs it.
"""

import logging
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

DAMAGES_LIMIT = 10_000  # remembered and logged; a disk that lost more has lost everything, and the log shows it

REPAIR = "run `edge store verify` and `edge store repair`, or restore the revision from a backup"

Grain = Literal["app", "revision", "bundle", "overrides", "id_set", "blob", "head"]

log = logging.getLogger("edge.damage")


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """`name` identifies the thing within its app: a version, a revision's number, a digest. `effect` says what devices
    get, `cause` what was found, `repair` what to do."""

    app: str
    grain: Grain
    name: str
    effect: str
    cause: str
    repair: str

    def __str__(self) -> str:
        return f"{self.app}: {_words(self.grain)} {self.name}: {self.effect} ({self.cause}); {self.repair}"


class NotTaken(NamedTuple):
    """What workers did not take of a revision: what of its app is `damaged`, and how many were `silent`: they did not
    answer in time, and may serve it late."""

    damaged: tuple[Damage, ...] = ()
    silent: int = 0


class Damages:
    """What is damaged now, by app. `found` counts, by grain, since the process started. Belongs to one thread."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self._by_app: dict[str, dict[tuple[Grain, str], Damage]] = {}
        self._now: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._now.total()

    def __iter__(self) -> Iterator[Damage]:
        return (damage for app in list(self._by_app) for damage in self.of(app))

    def note(self, damage: Damage) -> None:
        """Remember, count and log it; once, until it is mended. Another effect of the same damage replaces it."""
        known = self._by_app.get(damage.app, {}).get((damage.grain, damage.name))
        if known is None:
            if len(self) >= DAMAGES_LIMIT:
                return
            self.found[damage.grain] += 1
            self._now[damage.grain] += 1
        if known is None or known.effect != damage.effect:
            log.error("%s", damage)
        self._by_app.setdefault(damage.app, {})[damage.grain, damage.name] = damage

    def mend(self, app: str, grain: Grain, name: str) -> None:
        """The thing can be served again; nothing happens if it was not damaged."""
        known = self._by_app.get(app, {})
        if known.pop((grain, name), None) is None:
            return
        self._now[grain] -= 1
        if not known:
            del self._by_app[app]
        log.info("%s: %s %s can be served again", app, _words(grain), name)

    def replace(self, app: str, grains: Container[Grain], now: Iterable[Damage]) -> None:
        """`now` is everything of these grains that is damaged in the app; what else was is mended."""
        found = {(each.grain, each.name): each for each in now}
        for known in self.of(app):
            if known.grain in grains and (known.grain, known.name) not in found:
                self.mend(app, known.grain, known.name)
        for damage in found.values():
            self.note(damage)

    def of(self, app: str) -> list[Damage]:
        """Of one app."""
        return list(self._by_app.get(app, {}).values())

    def by_grain(self) -> dict[str, int]:
        """How many things of each grain are damaged now; without zeros."""
        return dict(+self._now)


def _words(grain: Grain) -> str:
    return grain.replace("_", " ")

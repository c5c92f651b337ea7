"""The counts of an experiment's measures, summed from the rows of its devices: 0.1 s for 100,000 of them.

Sums of squares are of what each number is off the mean, which is found first: of large numbers that differ little, the
squares themselves have no digits left for the difference.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from edge.domain.comparing import measures as known
from edge.domain.comparing.measures import ArmMeasure, Measure, OwnCount
from edge.domain.comparing.parts import without
from edge.domain.comparing.reading import MeasureKind
from edge.domain.guarding.networks import TRUSTED_NETWORK
from edge.telemetry.trials.trial_rows import TrialBit

_HOUR_MS = 3_600_000.0
_FAILURES = int(TrialBit.FAILED | TrialBit.INSTALL_FAILED)
_IS_CAPPED = f"bits & {int(TrialBit.CAPPED)} > 0"
_IS_COUNTED = f"net >= 0 AND bits & {int(TrialBit.CAPPED)} = 0"
_HAD, _HAD_ANY = f"bits & {int(TrialBit.HAD)} > 0", f"bits & {int(TrialBit.HAD_ANY)} > 0"
_TRIED = f"(installed_ms > 0 OR bits & {_FAILURES} > 0)"
_CAN_CRASH, _CAN_ERR = f"bits & {int(TrialBit.CAN_CRASH)} > 0", f"bits & {int(TrialBit.CAN_ERR)} > 0"

# What of a row is the device's number, and of which devices, if not of all: by what their plugin can tell, never by
# what they told.
_NUMBERS = {
    known.FAILED: (f"bits & {int(TrialBit.FAILED)} > 0", ""),
    known.INSTALL_FAILED: (f"bits & {int(TrialBit.INSTALL_FAILED)} > 0", ""),
    known.CRASHED: (f"bits & {int(TrialBit.CRASHED)} > 0", _CAN_CRASH),
    known.ERRED: ("errors > 0", _CAN_ERR),
    known.INSTALLED: ("installed_ms > 0", ""),
    known.SESSIONS: ("sessions", ""),  # every release of the plugin tells of them
    known.ERRORS: ("errors", _CAN_ERR),
}

Values = dict[str, float]


class MeasureSums:
    """Of one measure, by its number in the experiment; `arms` are their names, `devices` and `capped` by arm."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        experiment: int,
        measure: Measure,
        place: int,
        arms: Sequence[str],
        at_ms: int,
    ) -> None:
        self._connection, self._measure, self._arms = connection, measure, arms
        self._floor = measure.within_seconds * 1000 / _HOUR_MS if measure.what == known.INSTALL_TIME else 0.0
        self._values: Values = {"experiment": experiment}
        if measure.name:
            self._values["measure"] = place
            self._number, self._which = "", ""
        elif measure.within_seconds:
            within_ms = measure.within_seconds * 1000
            self._values |= {"until": at_ms - within_ms}
            got = f"installed_ms > 0 AND installed_ms - first_ms <= {within_ms}"
            waited = f"CASE WHEN {got} THEN (installed_ms - first_ms) / {_HOUR_MS} ELSE {self._floor} END"
            self._number = waited if self._floor else f"({got})"
            self._which = "first_ms <= :until"
        else:
            self._number, self._which = _NUMBERS[measure.what]
        self._number = f"CASE WHEN {_IS_COUNTED} THEN {self._number} ELSE {self._floor} END"

    def by_arm(self, devices: Sequence[int], capped: Sequence[int]) -> tuple[ArmMeasure, ...]:
        """`devices` there are in each arm, `capped` of them beyond their network's cap."""
        found = {int(row[0]): row[1:] for row in self._ask("")}
        if self._measure.name:
            kept = [self._measured(place, found.get(place)) for place in range(len(self._arms))]
            return tuple(_among(each, devices[place], capped[place]) for place, each in enumerate(kept))
        own, had = (self._own(), self._had()) if self._measure.installs else ({}, {})
        return tuple(
            self._measured(place, found.get(place), own.get(place), had.get(place, (0, 0)))
            for place in range(len(self._arms))
        )

    def by_network(self) -> Iterable[Sequence[ArmMeasure]]:
        """Of each network, by arm, what its counted devices have."""
        networks: dict[int, dict[int, tuple[float, ...]]] = {}
        for arm, net, *numbers in self._ask("net"):
            networks.setdefault(int(net), {})[int(arm)] = tuple(numbers)
        for arms in networks.values():
            yield [self._measured(place, arms.get(place)) for place in range(len(self._arms))]

    def _ask(self, by: str) -> Iterable[tuple[float, ...]]:
        """Arm, the network if that is asked for, devices, those having any, total, deviations, those capped."""
        keys = f"arm{', net' if by else ''}"
        of = self._rows(only_counted=bool(by))
        if self._measure.kind is MeasureKind.SHARE:
            query = f"SELECT {keys}, count(*), sum(x > 0), sum(x), NULL, sum(capped) FROM ({of}) GROUP BY {keys}"  # noqa: S608
        else:
            query = (
                f"WITH numbers AS MATERIALIZED ({of}),"  # noqa: S608  words of ours
                f" means AS (SELECT {keys}, avg(x) AS mean FROM numbers GROUP BY {keys})"
                f" SELECT {keys}, count(*), sum(x > 0), sum(x), sum((x - mean) * (x - mean)), sum(capped)"
                f" FROM numbers JOIN means USING ({keys}) GROUP BY {keys}"
            )
        return self._connection.execute(query, self._values)

    def _rows(self, *, only_counted: bool) -> str:
        counted = f" AND {_IS_COUNTED} AND net <> {TRUSTED_NETWORK}" if only_counted else ""
        if self._measure.name:
            value = "total" if self._measure.what == known.OWN_VALUE else "1.0"
            return (
                f"SELECT trials.arm AS arm, net, 0 AS capped, {value} AS x FROM trial_events"  # noqa: S608
                f" JOIN trials USING (experiment, key) WHERE experiment = :experiment AND measure = :measure"
                f" AND NOT ({_IS_CAPPED}){counted}"
            )
        which = " AND ".join(filter(None, (self._which, f"NOT ({_HAD_ANY})" if self._measure.installs else "")))
        where = f" AND {which}" if which else ""
        return (
            f"SELECT arm, net, {_IS_CAPPED} AS capped, {self._number} AS x FROM trials"  # noqa: S608
            f" WHERE experiment = :experiment{where}{counted}"
        )

    def _own(self) -> dict[int, OwnCount]:
        """What each arm's own figure is of: devices that it has something to install on, or that tried to."""
        where = f" AND {self._which}" if self._which else ""
        tried = f" AND {_TRIED} AND {_IS_COUNTED}" if self._measure.of_attempts else ""
        query = (
            f"SELECT arm, count(*), sum(x > 0), sum(x) FROM (SELECT arm, {self._number} AS x FROM trials"  # noqa: S608
            f" WHERE experiment = :experiment AND NOT ({_HAD}) AND NOT ({_IS_CAPPED}){where}{tried}) GROUP BY arm"
        )
        rows = self._connection.execute(query, self._values)
        return {arm: OwnCount(devices, having, float(total)) for arm, devices, having, total in rows}

    def _had(self) -> dict[int, tuple[int, int]]:
        """Devices that ran the bundle of some arm as they came in, and of their own."""
        where = f" AND {self._which}" if self._which else ""
        query = (
            f"SELECT arm, sum({_HAD_ANY}), sum({_HAD}) FROM trials"  # noqa: S608
            f" WHERE experiment = :experiment{where} GROUP BY arm"
        )
        return {arm: (had, own) for arm, had, own in self._connection.execute(query, self._values)}

    def _measured(
        self,
        place: int,
        numbers: Sequence[float | None] | None,
        own: OwnCount | None = None,
        had: tuple[int, int] = (0, 0),
    ) -> ArmMeasure:
        devices, having, total, deviations, capped = (each or 0 for each in numbers or (0,) * 5)
        if self._measure.kind is MeasureKind.SHARE and devices:
            deviations = having - having * having / devices
        if self._measure.installs and own is None:
            own = OwnCount(0, 0, 0.0)
        return ArmMeasure(
            arm=self._arms[place],
            devices=int(devices),
            having=int(having),
            total=float(total),
            deviations=float(deviations),
            capped=int(capped),
            floor=self._floor,
            had=had[0],
            own_had=had[1],
            own=own,
        )


def _among(having: ArmMeasure, devices: int, capped: int) -> ArmMeasure:
    """Those that have a number, among all devices of the arm."""
    none = ArmMeasure(arm=having.arm, devices=having.devices - devices, having=0, total=0.0, deviations=0.0)
    found = without(having, none) if having.devices else none
    return ArmMeasure(
        arm=having.arm,
        devices=devices,
        having=found.having,
        total=found.total,
        deviations=found.deviations,
        capped=capped,
    )

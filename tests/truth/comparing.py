"""Asks a node's figures every question, and puts each answer beside the recount of it.

Exact figures must be equal; distinct devices of a period are estimated, and must be within 2 %.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge.domain.statistics.observation import Step
from edge.telemetry.questions.port import By, Figures, Rollup, TimeSpan, Where
from tests.truth import expected
from tests.truth.diary import Diary
from tests.truth.recount import DAY, HOUR, Recount

ESTIMATE = 0.02
ANY = Where()
LABELS: Sequence[tuple[By, ...]] = (
    (),
    (By.BUNDLE,),
    (By.CHANNEL,),
    (By.SEGMENT,),
    (By.PLATFORM,),
    (By.SIDE,),
    (By.ARM,),
)
OF_DEVICES: Sequence[tuple[By, ...]] = (*LABELS[:1], *LABELS[2:], (By.PLATFORM, By.OS), (By.COUNTRY,), (By.PLUGIN,))
COUNTED = ("session", "session_capable", "session_crashed", "session_end", "crash_capable", "crashed", "error")


class Compared(NamedTuple):
    """One figure in all its rows. `wrong` has those that differ: the row, what the node says, what was recounted."""

    figure: str
    rows: int
    total: float  # of the recount
    wrong: list[tuple[object, object, object]]
    estimated: bool = False


class Comparing:
    """Of one app, from `begin_ms` until `end_ms`."""

    def __init__(self, figures: Figures, diary: Diary, found: Recount, begin_ms: int, end_ms: int) -> None:
        self._figures, self._diary, self._found = figures, diary, found
        self._begin_ms, self._end_ms = begin_ms, end_ms
        self._days = TimeSpan(begin_ms, end_ms, Rollup.DAY)

    def all(self, bundles: Sequence[str]) -> list[Compared]:
        """Every question."""
        compared = [
            self._sums("reports", ("report:*",), expected.is_of("report:")),
            self._sums("offers", ("check:offer",), expected.is_of("check:offer")),
            self._checks(),
            *(
                self._sums(subject, (subject,), expected.is_of(subject))
                for subject in COUNTED
                if subject != "session_end"
            ),
            self._sums("app events", ("event:*",), expected.is_of("event:")),
            self._sums("outcomes", ("outcome:*",), expected.is_of("outcome:")),
            self._sums("unmatched", ("outcome_unmatched:*",), expected.is_of("outcome_unmatched:")),
            self._lengths("session length", "session_end", expected.session_lengths(self._found)),
            self._lengths("download seconds", "download", self._found.downloads),
            self._lengths("update delay", "update", self._found.updates),
            self._lengths("durations of the app", "event:duration:search", self._found.used_seconds),
            *(self._people(subject) for subject in ("heard", "crashed", "crash_capable", "error")),
            self._people("event:feature:checkout"),
            self._people("outcome:ticket"),
            self._deliveries(),
            self._heard_since(),
            self._retention(),
        ]
        for bundle in bundles:
            compared += [self._steps(bundle), self._causes(bundle), self._turns(bundle)]
        return compared

    def _sums(self, name: str, subjects: Sequence[str], wanted: expected.Wanted) -> Compared:
        """By each label alone, by the day, with values."""
        told: dict[object, object] = {}
        recounted: dict[object, object] = {}
        for by in LABELS:
            both = (By.SUBJECT, *by)
            for each in self._figures.sums(self._diary.app, subjects, self._days, ANY, both, each=True):
                told[both, each.labels, each.period_ms // DAY] = each.n, round(each.total, 3)
            for (row, day), (n, total) in expected.sums(self._found, wanted, _names(both)).items():
                recounted[both, row, day] = n, round(total, 3)
        return compare(name, told, recounted)

    def _checks(self) -> Compared:
        """Whatever they were answered."""
        told: Counter[object] = Counter()
        recounted: Counter[object] = Counter()
        for by in LABELS[2:]:
            for each in self._figures.sums(self._diary.app, ("check:*",), self._days, ANY, by, each=True):
                told[by, each.labels, each.period_ms // DAY] += each.n
            for (row, day), (n, _) in expected.sums(self._found, expected.is_of("check:"), _names(by)).items():
                recounted[by, row, day] += n
        return compare("checks", told, recounted)

    def _deliveries(self) -> Compared:
        """By bundle and day; bytes of complete and cut ones together."""
        told: Counter[object] = Counter()
        recounted: Counter[object] = Counter()
        by = (By.SUBJECT, By.BUNDLE)
        for each in self._figures.sums(self._diary.app, ("delivery:*",), self._days, ANY, by, each=True):
            end = each.labels[0].rpartition(":")[2]
            if end in ("complete", "cut"):
                told[each.labels[1], each.period_ms // DAY, end] += each.n
                told[each.labels[1], each.period_ms // DAY, "bytes"] += round(each.total)
        for (hour, bundle, complete), n in self._found.deliveries.items():
            recounted[bundle, hour // 24, "complete" if complete else "cut"] += n
        for (hour, bundle), size_bytes in self._found.delivered_bytes.items():
            recounted[bundle, hour // 24, "bytes"] += size_bytes
        return compare("deliveries", +told, +recounted)

    def _lengths(self, name: str, subject: str, durations: Sequence[expected.Lasted]) -> Compared:
        told: dict[object, object] = {}
        recounted: dict[object, object] = {}
        for by in LABELS:
            for each in self._figures.durations(self._diary.app, subject, self._days, ANY, by):
                told[by, each.labels] = {bucket: n for bucket, n in each.buckets.items() if n}
            for row, buckets in expected.lasted(durations, _names(by)).items():
                recounted[by, row] = dict(buckets)
        return compare(name, told, recounted)

    def _people(self, subject: str) -> Compared:
        """Distinct devices by day and, of the last 5 days, by hour."""
        told: dict[object, int] = {}
        recounted: dict[object, int] = {}
        late = TimeSpan(max(self._begin_ms, self._end_ms - 5 * DAY), self._end_ms, Rollup.HOUR)
        for span, period_ms in ((self._days, DAY), (late, HOUR)):
            for by in LABELS:
                for each in self._figures.devices(self._diary.app, (subject,), span, ANY, by, each=True):
                    told[period_ms, by, each.labels, each.period_ms // period_ms] = each.devices
                for (row, at), n in expected.people(self._found, subject, _names(by), period_ms).items():
                    if at * period_ms >= span.since_ms:
                        recounted[period_ms, by, row, at] = n
        return compare(f"distinct devices: {subject}", told, recounted, estimated=True)

    def _heard_since(self) -> Compared:
        told: dict[object, object] = {}
        recounted: dict[object, object] = {}
        for since_ms in (self._begin_ms, self._end_ms - 7 * DAY, self._end_ms - DAY):
            for by in (*OF_DEVICES, (By.BUNDLE,)):
                for each in self._figures.heard_since(self._diary.app, since_ms, ANY, by):
                    told[since_ms, by, each.labels] = each.devices
                for row, n in expected.heard_since(self._found, since_ms, _names(by)).items():
                    recounted[since_ms, by, row] = n
        return compare("active devices", told, recounted)

    def _retention(self) -> Compared:
        told: dict[object, object] = {}
        recounted: dict[object, object] = {}
        for by in (LABELS[0], *LABELS[2:]):
            for each in self._figures.retention(self._diary.app, self._days, ANY, by):
                told[by, each.labels, each.day, each.age] = each.devices
            for (row, day, age), n in expected.retention(self._found, _names(by)).items():
                recounted[by, row, day, age] = n
        return compare("retention", told, recounted)

    def _steps(self, bundle: str) -> Compared:
        told: Counter[object] = Counter()
        recounted: Counter[object] = Counter()
        for by in OF_DEVICES:
            for each in self._figures.steps(self._diary.app, bundle, ANY, by):
                told[by, each.labels, frozenset(str(step.name) for step in Step if step in each.steps)] += each.devices
            for row, reached in expected.steps(self._found, bundle, _names(by)).items():
                for steps, n in reached.items():
                    recounted[by, row, steps] += n
        return compare(f"{bundle}: steps", told, recounted)

    def _causes(self, bundle: str) -> Compared:
        told: Counter[object] = Counter()
        for each in self._figures.causes(self._diary.app, bundle, ANY, ()):
            told[each.cause] += each.devices
        return compare(f"{bundle}: causes", told, expected.causes(self._found, bundle))

    def _turns(self, bundle: str) -> Compared:
        told: dict[object, object] = {
            each.minute: (each.began, each.ended) for each in self._figures.words(self._diary.app, bundle, ANY)
        }
        return compare(f"{bundle}: who runs it", told, expected.turns(self._found, bundle))


def compare(
    figure: str, told: Mapping[object, object], recounted: Mapping[object, object], *, estimated: bool = False
) -> Compared:
    """Row by row; a row that one of them lacks is wrong, too."""
    wrong = [
        (row, told.get(row), recounted.get(row))
        for row in sorted({*told, *recounted}, key=repr)
        if not _same(told.get(row), recounted.get(row), estimated)
    ]
    total = sum(_size(value) for value in recounted.values())
    return Compared(figure, len(recounted), total, wrong, estimated)


def _same(told: object, recounted: object, estimated: bool) -> bool:
    if estimated and isinstance(told, int) and isinstance(recounted, int):
        return abs(told - recounted) <= ESTIMATE * recounted
    return told == recounted


def _size(value: object) -> float:
    match value:
        case int() | float():
            return value
        case (int() as n, *_):
            return n
        case dict():
            return sum(value.values())
    return 0


def _names(by: Sequence[By]) -> list[str]:
    return [each.value for each in by]

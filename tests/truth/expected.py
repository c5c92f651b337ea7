"""What each question about figures must answer, from a recount: rows as the port describes them, worked out anew."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from tests.truth.labels import Labels
from tests.truth.recount import DAY, HOUR, MINUTE, Journey, Lasted, Person, Recount

Wanted = Callable[[str], bool]
Row = tuple[str, ...]  # values of the labels asked for
DAY_HOURS = DAY // HOUR
AGES = (0, 1, 7, 30)


def rows_of(labels: Labels, bundle: str, subject: str, by: Sequence[str]) -> list[Row]:
    """The rows that something with these labels is in: several by segment, if the device is in several."""
    rows: list[Row] = [()]
    for name in by:
        match name:
            case "bundle":
                values: Sequence[str] = (bundle,)
            case "subject":
                values = (subject,)
            case "segment":
                values = labels.segments or ("",)
            case _:
                values = (getattr(labels, name),)
        rows = [(*row, value) for row in rows for value in values]
    return rows


def sums(found: Recount, wanted: Wanted, by: Sequence[str]) -> dict[tuple[Row, int], tuple[int, float]]:
    """By labels and day: how often, and the total of values."""
    counts: Counter[tuple[Row, int]] = Counter()
    totals: defaultdict[tuple[Row, int], float] = defaultdict(float)
    for key, n in found.sums.items():
        if wanted(key.subject) and key.labels.kind == "device":
            for row in rows_of(key.labels, key.bundle, key.subject, by):
                counts[row, key.hour // DAY_HOURS] += n
                totals[row, key.hour // DAY_HOURS] += found.totals.get(key, 0.0)
    return {place: (n, totals[place]) for place, n in counts.items()}


def lasted(found: Sequence[Lasted], by: Sequence[str]) -> dict[Row, Counter[int]]:
    """How many durations fell in each bucket: the next one begins 1.02 / 0.98 times as high."""
    buckets: defaultdict[Row, Counter[int]] = defaultdict(Counter)
    for key, seconds in found:
        if key.labels.kind == "device":
            for row in rows_of(key.labels, key.bundle, key.subject, by):
                buckets[row][bucket_of(seconds)] += 1
    return dict(buckets)


def bucket_of(seconds: float) -> int:
    return math.floor(math.log(max(seconds, 0.001)) / math.log(1.02 / 0.98))


def session_lengths(found: Recount) -> list[Lasted]:
    """Of sessions that somebody told the end of."""
    return [Lasted(*session.end) for session in found.sessions if session.end is not None]


def people(found: Recount, subject: str, by: Sequence[str], period_ms: int) -> dict[tuple[Row, int], int]:
    """Distinct devices by labels and period."""
    hours = period_ms // HOUR
    devices: defaultdict[tuple[Row, int], set[int]] = defaultdict(set)
    for key, who in found.people.items():
        if key.subject == subject and key.labels.kind == "device":
            for row in rows_of(key.labels, key.bundle, key.subject, by):
                devices[row, key.hour // hours].update(who)
    return {place: len(who) for place, who in devices.items()}


def journeys(found: Recount, bundle: str) -> Iterable[tuple[Person, Journey]]:
    """Of devices that are none of a developer."""
    for person in found.persons.values():
        if bundle in person.journeys and person.journeys[bundle].labels.kind == "device":
            yield person, person.journeys[bundle]


def steps(found: Recount, bundle: str, by: Sequence[str]) -> dict[Row, Counter[frozenset[str]]]:
    """How many devices came exactly how far."""
    reached: defaultdict[Row, Counter[frozenset[str]]] = defaultdict(Counter)
    for _, journey in journeys(found, bundle):
        for row in rows_of(journey.labels, bundle, "", by):
            reached[row][steps_of(journey)] += 1
    return dict(reached)


def steps_of(journey: Journey) -> frozenset[str]:
    told = {
        "OFFERED": journey.offered_ms,
        "DOWNLOADED": journey.downloaded,
        "INSTALLED": journey.installed_ms,
        "FAILED_BOOT": journey.boot_failed,
        "FAILED_INSTALL": journey.install_failed,
        "HEALTHY": journey.healthy,
        "REVERTED": journey.reverted,
        "WORD": journey.first_said,
    }
    return frozenset(name for name, is_so in told.items() if is_so)


def causes(found: Recount, bundle: str) -> Counter[str]:
    """What told that it failed, of offered devices."""
    return Counter(journey.cause for _, journey in journeys(found, bundle) if journey.cause and journey.offered_ms)


def turns(found: Recount, bundle: str) -> dict[int, tuple[int, int]]:
    """By minute: how many began to say that they run it, and how many had said so for the last time."""
    began: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    for person, journey in journeys(found, bundle):
        if journey.first_said:
            began[journey.first_said // MINUTE] += 1
            if person.word != bundle:
                ended[journey.last_said // MINUTE] += 1
    return {minute: (began[minute], ended[minute]) for minute in sorted({*began, *ended})}


def heard_since(found: Recount, since_ms: int, by: Sequence[str], bundle: str = "") -> Counter[Row]:
    """Devices by their latest labels; with `bundle`, those whose latest word it is."""
    heard: Counter[Row] = Counter()
    for person in found.persons.values():
        if person.last_ms >= since_ms and person.labels.kind == "device" and bundle in ("", person.word):
            heard.update(rows_of(person.labels, person.word, "", by))
    return heard


def retention(found: Recount, by: Sequence[str]) -> Counter[tuple[Row, int, int]]:
    """By labels of the first day, that day, and how many days later the device was heard of."""
    kept: Counter[tuple[Row, int, int]] = Counter()
    for person in found.persons.values():
        if person.first_labels is None or person.first_labels.kind != "device":
            continue
        day = person.first_ms // DAY
        for age in AGES:
            if day + age in person.days:
                kept.update((row, day, age) for row in rows_of(person.first_labels, "", "", by))
    return kept


def is_of(*subjects: str) -> Wanted:
    """Whether a subject is one of these, or begins like one that ends in a colon."""
    return lambda subject: subject in subjects or subject.startswith(tuple(s for s in subjects if s.endswith(":")))

"""Every figure once more, from the diary alone and by the words of the definitions: one pass, device by device.

It shares nothing with what a node counts by: no code of the arithmetic, no stored line. What a node cannot know it
does not use either: a check counts when it is handed over, an event when the node took it, and an event that came
again within an hour of the one that counted does not count. Times are in milliseconds.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.truth.diary import Came, Checked, Diary, HandedOver, Owner, Sent, Told, Used, heard_at
from tests.truth.generations import NATIVE
from tests.truth.labels import UNKNOWN, Labels, before_any_check, labels_at

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
AGAIN_MS = HOUR
HANDED_OVER_MS = 10_000
GAP_MS = 30 * MINUTE
CLOCKS_AGREE_MS = 31 * DAY
LONGEST_MS = DAY  # of a session
SETTLED_MS = 30_000
ERRORS_A_DAY = 100
NATIVE_WORD = "builtin"
NO_UPDATE_MS = 10 * MINUTE
TELL_MORE = {"5.9.5"}  # of the fleet's releases: they report a failed download also where there is nothing new

CRASHES = {"app_crash", "app_crash_native", "app_anr", "app_initialization_failure"}
ERRORS = {"webview_javascript_error", "webview_unhandled_rejection"}
BOOT_FAILURES = {"update_fail", "set_fail"}
COMPLETIONS = {"download_complete", "download_zip_complete", "download_manifest_complete", "set_next", "set"}
BEGINNINGS = {"download_manifest_start", "download_zip_start", *(f"download_{n}" for n in range(0, 100, 10))}
RUNNING = {"app_moved_to_foreground", "app_moved_to_background", "app_launch_start", "app_launch_ready", "set", "reset"}
STARTS = {"set", "app_launch_start", "app_moved_to_foreground"}
PROVES_LATER = {"app_moved_to_background"} | ERRORS


_At = tuple[int, int | None]  # by the node's clock, and by the device's if it told


class Key(NamedTuple):
    """What is counted together: by the hour."""

    hour: int
    labels: Labels
    bundle: str
    subject: str


class Lasted(NamedTuple):
    """A duration, and where it counts."""

    key: Key
    seconds: float


@dataclass(slots=True)
class Journey:
    """A device with a bundle; `labels` are those of the first thing that was heard of them together."""

    labels: Labels
    offered_ms: int = 0
    downloaded: bool = False
    installed_ms: int = 0
    boot_failed: bool = False
    install_failed: bool = False
    healthy: bool = False
    reverted: bool = False
    cause: str = ""
    download: _At | None = None  # when it began, by the node's clock and the device's
    started: _At | None = None
    first_said: int = 0  # when it first and last said that it runs it
    last_said: int = 0


@dataclass(slots=True)
class Session:
    """`end` is where its length counts, and the length in seconds; None while it goes on, or if nobody told."""

    began: _At
    is_open: bool = True
    end: tuple[Key, float] | None = None
    crashed: bool = False


@dataclass(slots=True)
class Person:
    """What is known of one device."""

    labels: Labels
    first_ms: int = 0
    first_labels: Labels | None = None  # of the first check, if that is of the same day
    is_placed: bool = False  # a check of it was heard of
    last_ms: int = 0
    word: str = ""  # which bundle it runs, by what it said last
    word_ms: int = 0
    offered: tuple[str, int] = "", 0  # what was offered last, and when
    session: Session | None = None
    left: _At | None = None  # when it was put in the background last
    spoke: _At | None = None  # when anything was told last
    days: set[int] = field(default_factory=set)
    capable_days: set[int] = field(default_factory=set)
    crashed_days: set[int] = field(default_factory=set)
    errors: Counter[int] = field(default_factory=Counter)
    counted: dict[int, int] = field(default_factory=dict)  # by an event's serial, when it counted
    heard: set[tuple[int, int, Labels, str, str]] = field(default_factory=set)  # of this hour
    journeys: dict[str, Journey] = field(default_factory=dict)


@dataclass(slots=True)
class Recount:
    """`sums` are numbers, `totals` values, `people` distinct devices."""

    sums: Counter[Key] = field(default_factory=Counter)
    totals: defaultdict[Key, float] = field(default_factory=lambda: defaultdict(float))
    people: defaultdict[Key, set[int]] = field(default_factory=lambda: defaultdict(set))
    downloads: list[Lasted] = field(default_factory=list)
    updates: list[Lasted] = field(default_factory=list)
    used_seconds: list[Lasted] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    deliveries: Counter[tuple[int, str, bool]] = field(default_factory=Counter)  # by hour, bundle, whether complete
    delivered_bytes: Counter[tuple[int, str]] = field(default_factory=Counter)
    persons: dict[int, Person] = field(default_factory=dict)
    again: int = 0


def recount(diary: Diary) -> Recount:
    """All of it."""
    counter = _Counter(diary, _places_of(diary))
    waiting: list[Checked] = []
    sent: list[Sent] = []
    for entry in diary.entries:
        match entry:
            case Checked():
                waiting.append(entry)
            case HandedOver():
                for each in waiting:
                    counter.take_check(each, heard_at(each, entry))
                for one in sent:
                    counter.take_delivery(one, entry.at_ms)
                waiting, sent = [], []
            case Sent():
                sent.append(entry)
            case Told():
                counter.take_event(entry)
            case Used():
                counter.take_use(entry)
            case Came():
                counter.take_outcome(entry)
    return counter.found


def _places_of(diary: Diary) -> dict[int, list[tuple[int, Labels]]]:
    """Of each device the labels of its checks, and when these count."""
    places: dict[int, list[tuple[int, Labels]]] = defaultdict(list)
    waiting: list[Checked] = []
    for entry in diary.entries:
        if isinstance(entry, Checked):
            waiting.append(entry)
        elif isinstance(entry, HandedOver):
            for each in waiting:
                labels = labels_at(diary, diary.devices[each.device], each.at_ms)
                places[each.device].append((heard_at(each, entry), labels))
            waiting = []
    return places


def _offers_of(diary: Diary) -> dict[int, list[tuple[str, int]]]:
    """Of each device what its checks offered it, and when these count."""
    offers: dict[int, list[tuple[str, int]]] = defaultdict(list)
    waiting: list[Checked] = []
    for entry in diary.entries:
        if isinstance(entry, Checked) and entry.offered:
            waiting.append(entry)
        elif isinstance(entry, HandedOver):
            for each in waiting:
                offers[each.device].append((each.offered, heard_at(each, entry)))
            waiting = []
    return offers


class _Counter:
    def __init__(self, diary: Diary, places: dict[int, list[tuple[int, Labels]]]) -> None:
        self._diary, self._places = diary, places
        self._offers = _offers_of(diary)
        self.found = Recount()

    def _person(self, device: int) -> Person:
        found = self.found.persons.get(device)
        if found is None:
            found = self.found.persons[device] = Person(before_any_check(self._owner(device)))
        return found

    def _person_at(self, device: int, at_ms: int) -> Person:
        """With the labels of its latest check that was handed over by then, or within 10 s."""
        person, places = self._person(device), self._places.get(device, [])
        before = bisect_right(places, at_ms + HANDED_OVER_MS, key=lambda place: place[0])
        if before:
            person.labels = places[before - 1][1]
        return person

    def _owner(self, device: int) -> Owner:
        return self._diary.devices[device]

    def _count(self, at_ms: int, person: Person, bundle: str, subject: str) -> Key:
        key = Key(at_ms // HOUR, person.labels, bundle, subject)
        self.found.sums[key] += 1
        return key

    def _note(self, at_ms: int, device: int, person: Person, bundle: str, subject: str) -> Key:
        key = self._count(at_ms, person, bundle, subject)
        self.found.people[key].add(device)
        return key

    def take_check(self, check: Checked, at_ms: int) -> None:
        """It was handed over, and counts at `at_ms`."""
        owner, runs = self._owner(check.device), _word_of(check.runs)
        labels, known = labels_at(self._diary, owner, check.at_ms), self.found.persons.get(check.device)
        # A worker names a device once an hour for what is alike, but for an offer that must not be old.
        named = at_ms if check.offered and owner.plugin in TELL_MORE else at_ms // HOUR
        heard = at_ms // HOUR, named, labels, runs, check.offered
        if known is not None and heard in known.heard:
            self._count(at_ms, Person(labels), check.offered or runs, "check:offer" if check.offered else "check:other")
            return
        person = self._person(check.device)
        person.heard = {each for each in person.heard if each[0] == heard[0]} | {heard}
        person.labels = labels
        if person.first_labels is not None and not person.is_placed and at_ms // DAY == person.first_ms // DAY:
            person.first_labels = person.labels
        person.is_placed = True
        code = "check:offer" if check.offered else "check:other"
        self._count(at_ms, person, check.offered or runs, code)
        self._hear(check.device, person, at_ms, runs, check.at_ms)
        if check.offered:
            person.offered = check.offered, at_ms
            journey = self._journey(person, check.offered)
            if not journey.offered_ms:
                journey.offered_ms, journey.labels = at_ms, person.labels
                if journey.installed_ms:
                    self._update(person, journey, at_ms, check.offered)

    def take_delivery(self, sent: Sent, at_ms: int) -> None:
        """Known by bundle alone, if it can be offered when this is handed over."""
        bundle = "other" if at_ms >= self._diary.withdrawn.get(sent.bundle, at_ms + 1) else sent.bundle
        self.found.deliveries[at_ms // HOUR, bundle, sent.complete] += 1
        self.found.delivered_bytes[at_ms // HOUR, bundle] += sent.bytes

    def take_event(self, told: Told) -> None:
        owner, person = self._owner(told.device), self._person_at(told.device, told.at_ms)
        if told.device_ms is not None and self._is_again(person, told.serial, told.at_ms):
            self._hear(told.device, person, told.at_ms, "")
            return
        bundle, at = _word_of(told.version), (told.at_ms, told.device_ms)
        self._count(told.at_ms, person, bundle, f"report:{told.action}")
        self._hear(told.device, person, told.at_ms, bundle if told.action in RUNNING | CRASHES | ERRORS else "")
        self._take_journey(told, person, bundle, at)
        if told.action in ("app_moved_to_foreground", "app_launch_start"):
            self._begin(owner, person, bundle, at)
        elif told.action == "app_moved_to_background":
            self._end(person, bundle, at)
        elif told.action in CRASHES and owner.tells_crashes:
            self._crash(told, person, bundle)
        elif told.action in ERRORS:
            self._error(told, person, bundle)
        person.spoke = at

    def _is_again(self, person: Person, serial: int, at_ms: int) -> bool:
        """Whether it counted within the hour already; else it counts now."""
        before = person.counted.get(serial)
        if before is not None and at_ms - before < AGAIN_MS:
            self.found.again += 1
            return True
        person.counted[serial] = at_ms
        return False

    def take_use(self, used: Used) -> None:
        person = self._person_at(used.device, used.at_ms)
        if self._is_again(person, -used.serial, used.at_ms):
            return
        self._hear(used.device, person, used.at_ms, "")
        self._value(used.at_ms, used.device, person, f"event:{used.kind}:{used.name}", used.value)

    def take_outcome(self, came: Came) -> None:
        """An outcome is nothing that the device said: of one never heard of, nothing is known."""
        person = self.found.persons.get(came.device)
        if person is not None:
            self._value(came.at_ms, came.device, person, f"outcome:{came.name}", came.value)
            return
        key = self._count(came.at_ms, Person(UNKNOWN), "", f"outcome_unmatched:{came.name}")
        self.found.totals[key] += came.value or 0.0

    def _value(self, at_ms: int, device: int, person: Person, subject: str, value: float | None) -> None:
        key = self._note(at_ms, device, person, person.word, subject)
        if value is not None:
            self.found.totals[key] += value
            if subject.startswith("event:duration:"):
                self.found.used_seconds.append(Lasted(key, value))

    # When a device was heard of, and what it runs.

    def _hear(self, device: int, person: Person, at_ms: int, runs: str, said_ms: int = 0) -> None:
        """What it runs it said at `said_ms`, if that was before `at_ms`; a word that it said since is later."""
        day, said_ms = at_ms // DAY, said_ms or at_ms
        if runs != person.word and said_ms < person.word_ms:
            runs = ""
        if not person.first_ms:
            person.first_ms, person.first_labels = at_ms, person.labels
        person.days.add(day)
        person.last_ms = at_ms
        if runs:
            person.word, person.word_ms = runs, max(said_ms, person.word_ms)
            journey = self._journey(person, runs)
            journey.first_said = journey.first_said or at_ms
            journey.last_said = at_ms
        hour = at_ms // HOUR
        self.found.people[Key(hour, person.labels, person.word, "heard")].add(device)
        if self._owner(device).tells_crashes and day not in person.capable_days:
            person.capable_days.add(day)
            self._note(at_ms, device, person, person.word, "crash_capable")

    # How far a device came with a bundle.

    def _journey(self, person: Person, bundle: str) -> Journey:
        found = person.journeys.get(bundle)
        if found is None:
            found = person.journeys[bundle] = Journey(person.labels)
        return found

    def _take_journey(self, told: Told, person: Person, bundle: str, at: _At) -> None:
        action = told.action
        if action in ("set", "reset"):
            self._leave(person, NATIVE_WORD if action == "reset" else bundle, _word_of(told.old))
        if action == "download_fail":
            self._fail_download(told, person)
        if not bundle or action not in COMPLETIONS | BEGINNINGS | BOOT_FAILURES | STARTS | PROVES_LATER | {
            "app_launch_ready",
        }:
            return
        journey = self._journey(person, bundle)
        if action in BEGINNINGS and journey.download is None:
            journey.download = at
        if action in COMPLETIONS and not journey.downloaded:
            journey.downloaded = True
            if journey.download is not None and action != "set":
                key = Key(at[0] // HOUR, person.labels, bundle, "download")
                self.found.downloads.append(Lasted(key, _elapsed(journey.download, at) / 1000))
        if action == "set" and not journey.installed_ms:
            journey.installed_ms = at[0]
            if journey.offered_ms:
                self._update(person, journey, at[0], bundle)
        if action in BOOT_FAILURES:
            journey.cause = action if not journey.boot_failed else journey.cause
            journey.boot_failed = True
        settled = journey.started is not None and _elapsed(journey.started, at) >= SETTLED_MS
        if journey.installed_ms and (action == "app_launch_ready" or (action in PROVES_LATER and settled)):
            journey.healthy = True
        if action in STARTS:
            journey.started = at

    def _fail_download(self, told: Told, person: Person) -> None:
        """It names what runs; what failed is what was offered last, if that is not long ago."""
        bundle, at_ms = self._offers_soon(told) or person.offered
        if bundle and told.at_ms - at_ms <= (NO_UPDATE_MS if self._owner(told.device).plugin in TELL_MORE else DAY):
            journey = self._journey(person, bundle)
            journey.install_failed, journey.cause = True, journey.cause or told.action

    def _offers_soon(self, told: Told) -> tuple[str, int] | None:
        """What a check offered that is handed over within 10 s: it came first."""
        soon = [
            each for each in self._offers.get(told.device, ()) if told.at_ms < each[1] <= told.at_ms + HANDED_OVER_MS
        ]
        return (soon[-1][0], told.at_ms) if soon else None

    def _update(self, person: Person, journey: Journey, at_ms: int, bundle: str) -> None:
        key = Key(at_ms // HOUR, person.labels, bundle, "update")
        self.found.updates.append(Lasted(key, max(0, journey.installed_ms - journey.offered_ms) / 1000))

    def _leave(self, person: Person, to: str, left: str) -> None:
        journey = person.journeys.get(left)
        if journey is None or to == left or not journey.healthy:
            return
        before = person.journeys.get(to)
        ran_before = before is not None and before.first_said and before.first_said < journey.first_said
        if to == NATIVE_WORD or _rank(to) < _rank(left) or ran_before:
            journey.reverted = True

    # Sessions, crashes and errors.

    def _begin(self, owner: Owner, person: Person, bundle: str, at: _At) -> None:
        session = person.session
        if session is not None:
            before = person.spoke if session.is_open else person.left
            if before is not None and _elapsed(before, at) < GAP_MS:
                session.is_open, session.end = True, None
                return
        person.session = Session(at)
        self.found.sessions.append(person.session)
        self._count(at[0], person, bundle, "session")
        if owner.tells_crashes:
            self._count(at[0], person, bundle, "session_capable")

    def _end(self, person: Person, bundle: str, at: _At) -> None:
        person.left, session = at, person.session
        if session is not None and session.is_open:
            key = Key(at[0] // HOUR, person.labels, bundle, "session_end")
            session.is_open, session.end = False, (key, min(_elapsed(session.began, at), LONGEST_MS) / 1000)

    def _crash(self, told: Told, person: Person, bundle: str) -> None:
        if told.at_ms // DAY not in person.crashed_days:
            person.crashed_days.add(told.at_ms // DAY)
            self._note(told.at_ms, told.device, person, bundle, "crashed")
        if person.session is not None and not person.session.crashed:
            person.session.crashed = True
            self._count(told.at_ms, person, bundle, "session_crashed")

    def _error(self, told: Told, person: Person, bundle: str) -> None:
        day = told.at_ms // DAY
        person.errors[day] += 1
        if person.errors[day] <= ERRORS_A_DAY:
            self._note(told.at_ms, told.device, person, bundle, "error")


def _word_of(version: str) -> str:
    """A device on builtin calls it so, or by the native version."""
    return NATIVE_WORD if version == NATIVE else version


def _elapsed(since: _At, until: _At) -> int:
    """By the device's clock where both were dated, it did not go back, and it agrees with the node's."""
    by_node = until[0] - since[0]
    if since[1] is None or until[1] is None or until[1] < since[1]:
        return by_node
    by_device = until[1] - since[1]
    return by_device if abs(by_device - by_node) <= CLOCKS_AGREE_MS else by_node


def _rank(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")) if version != NATIVE_WORD else (0,)

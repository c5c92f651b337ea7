"""What a worker noted of checks: how many of each kind, and which devices, once an hour and when their kind changes.

Of plugins that report a failed download also where there is no update, each offer is noted, once until it is taken: it
matters how old the latest one is.

In fixed memory, without a file or a lock. A device has one place of an array, and loses it to the next one that comes
there: it is then noted a second time, which changes nothing for who adds up devices. The place holds the device's hash,
the seed of its latest check's kind, and the number under which that is counted, by exclusive or. So of the other two
only a number remains, which is small, or else the device is not known there: a check costs one hash and one look-up.
"""

import random
from array import array
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from edge.domain.decision.outcomes import Decision
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import DeviceFacts
from edge.domain.model import UpdateCheck
from edge.domain.schedule.rollout import Moment
from edge.domain.statistics.device_key import device_key
from edge.node.service.heard.kinds import CheckLabels, labels_of_check, labels_of_shed, segments_of

PLACES = 1 << 18  # 2 MiB of a worker, for so many devices an hour; beyond, more of them are noted again
HOUR_SECONDS = 3_600
_MILLISECOND = 0.001  # to which lines tell the time
# Of a worker and hour: half of them for kinds, up to 0.6 kB each, and half for segments within these. Devices choose
# their words, so half of the kinds are for such without.
NUMBERS_LIMIT = 1 << 16
KINDS_OF_APP_LIMIT = 2_048  # with the words of devices, and as many with segments
FEWER_OF_APP_LIMIT = 512  # without them, of either sort
ALWAYS_OF_APP = 64  # once apps have taken half of all places of a sort: so eight that fill theirs leave room for others
POSTPONING_LIMIT = (
    1 << 18
)  # devices that wait to be handed over, 2.5 MiB; who finds no room comes again with a later check


class CheckKind:
    """Checks that are alike but for the device and its segments. `seed` tells it from others in what is remembered;
    with another one, its devices are not remembered any more. `tells_each`: they are not, once they were taken."""

    __slots__ = ("detail", "labels", "numbers", "seed", "tells_each")

    def __init__(self, labels: CheckLabels | None, detail: "Detail | None" = None) -> None:
        """None: of checks beyond the limits."""
        self.labels, self.detail = labels, detail
        self.seed = random.getrandbits(64)
        self.tells_each = labels is not None and labels.is_offer_of_lax
        self.numbers: dict[tuple[str, ...], int] = {}  # by segments


class Detail(NamedTuple):
    """How much the labels of a kind tell. Each sort has room of its own: `of_app` kinds of one app, `share` of all
    numbers."""

    name: str
    of_app: int
    share: float


class TakenChecks(NamedTuple):
    """What was noted since the last time, by number: `counts` of checks, and what the numbers are `of`; `keys` of
    devices in the order in which they came, with the number of each. `at` is in seconds since the epoch."""

    at: float
    of: list[tuple[CheckLabels, tuple[str, ...]] | None]
    counts: list[int]
    keys: "array[int]"
    numbers: "array[int]"


WithBehaviour = Callable[[DeviceFacts, bytes], DeviceFacts]


def _unknown_behaviour(facts: DeviceFacts, name: bytes) -> DeviceFacts:
    """A `WithBehaviour` where it is not known how devices are used."""
    return facts


class CheckNotes:
    """`seed`, `marks` and `counts` are for who notes a check that gets a kept answer; they stay the same.

    Checks beyond the limits are counted as number 0, which nobody gets.
    """

    def __init__(
        self,
        dropped: Counter[str],
        now: float,
        with_behaviour: WithBehaviour = _unknown_behaviour,
        *,
        numbers_limit: int = NUMBERS_LIMIT,
    ) -> None:
        """`dropped` counts what found no room; `now` in seconds since the epoch; `with_behaviour` is of FactsClient."""
        self._with_behaviour = with_behaviour
        self.seed = random.getrandbits(64)  # nobody can tell whose place a device takes
        self.marks = array("Q", bytes(8 * PLACES))
        self.counts = [0]
        self._dropped = dropped
        self._limit = numbers_limit
        self._hour = now // HOUR_SECONDS
        self._kinds: dict[CheckLabels, CheckKind] = {}
        self._told_each: list[CheckKind] = []
        self._beyond = CheckKind(None)
        self._of_app: Counter[tuple[str, str]] = Counter()  # kinds, by app and detail; segments apart
        self._of_all: Counter[str] = Counter()
        self._meaning: list[tuple[CheckLabels, tuple[str, ...]] | None] = [None]  # of each number
        self._keys, self._key_numbers = array("q"), array("H")
        self._past: list[TakenChecks] = []  # of the hour before, not taken yet

    def kind_of(
        self, snapshot: AppSnapshot, check: UpdateCheck, decision: Decision, facts: DeviceFacts, moment: Moment
    ) -> CheckKind:
        """What such checks are counted under."""
        labels = labels_of_check(snapshot, check, decision, facts, moment.proven)
        return self._kinds.get(labels) or self._begin_kind(labels, snapshot)

    def note(
        self, snapshot: AppSnapshot, check: UpdateCheck, decision: Decision, facts: DeviceFacts, moment: Moment
    ) -> None:
        """A check was answered like this."""
        kind = self.kind_of(snapshot, check, decision, facts, moment)
        digest = xxh3_64_intdigest(check.device.encode(), self.seed)
        number = self.marks[digest % PLACES] ^ digest ^ kind.seed
        if number >= NUMBERS_LIMIT:
            segments = segments_of(snapshot, check, self.with_use(snapshot, check, facts))
            number = self.remember(kind, digest, segments, device_key(check.app, check.device))
        self.counts[number] += 1

    def with_use(self, snapshot: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> DeviceFacts:
        """The facts as segments read them."""
        if not snapshot.reads_behaviour:
            return facts
        return self._with_behaviour(facts, f"{check.app}\0{check.device}".encode())

    def remember(self, kind: CheckKind, digest: int, segments: tuple[str, ...], key: int) -> int:
        """The device with this digest is not remembered with the kind: note which segments it is in, and its key.

        Returns the number under which its check is to be counted.
        """
        number = self._number_of(kind, segments)
        if len(self._keys) >= POSTPONING_LIMIT:
            self._dropped["heard_devices_postponed"] += 1
            self.marks[digest % PLACES] = 0  # nobody's
            return number
        self.marks[digest % PLACES] = digest ^ kind.seed ^ number
        if number:
            self._keys.append(key)
            self._key_numbers.append(number)
        return number

    def note_shed(self, check: UpdateCheck) -> None:
        """A check was answered without a decision: it is counted, and says nothing of where its device belongs."""
        labels = labels_of_shed(check)
        self.counts[self._number_of(self._kinds.get(labels) or self._begin_kind(labels, None), ())] += 1

    def take(self, now: float) -> list[TakenChecks]:
        """What was noted since the last time, which is then forgotten here; that of an hour before comes first."""
        past, self._past = self._past, []
        return [*past, *self._collect(now)]

    def turn(self, now: float) -> bool:
        """Called again and again. In another hour, all devices are new, and so is every kind: True; nobody may go on
        with an earlier one. What was noted stays of its hour. While what was noted in the hour before that waits, the
        hour goes on.
        """
        hour = now // HOUR_SECONDS
        if hour == self._hour or self._past:
            return False
        ended = (self._hour + 1) * HOUR_SECONDS - _MILLISECOND
        self._past = self._collect(min(ended, now))
        self._hour = hour
        self._kinds.clear()
        self._told_each.clear()
        self._beyond = CheckKind(None)
        self._of_app.clear()
        self._of_all.clear()
        del self.counts[1:], self._meaning[1:]
        return True

    def _collect(self, at: float) -> list[TakenChecks]:
        counts = self.counts[:]
        if not any(counts):  # who is noted is counted
            return []
        if counts[0]:
            self._dropped["heard_checks_dropped"] += counts[0]
        taken = TakenChecks(at, self._meaning[:], counts, self._keys, self._key_numbers)
        self.counts[:] = bytes(len(counts))
        self._keys, self._key_numbers = array("q"), array("H")
        for kind in self._told_each:
            kind.seed = random.getrandbits(64)
        return [taken]

    def _begin_kind(self, labels: CheckLabels, snapshot: AppSnapshot | None) -> CheckKind:
        """With fewer labels if there is no room for all: first without what devices make up, then with what is ours
        alone, at last with this program's own words."""
        kind = self._admit_kind(labels, Detail("told", KINDS_OF_APP_LIMIT, 1 / 4))
        if kind is not None:
            if kind.tells_each:
                self._told_each.append(kind)
            return kind
        self._dropped["heard_labels_dropped"] += 1
        kind = self._admit_kind(labels.fewer(snapshot), Detail("fewer", FEWER_OF_APP_LIMIT, 1 / 8))
        kind = kind or self._admit_kind(labels.ours(), Detail("ours", FEWER_OF_APP_LIMIT, 3 / 32))
        if kind is not None:
            return kind
        fewest = labels.fewest()
        if fewest in self._kinds or len(self._kinds) < self._limit // 2:
            return self._kinds.setdefault(fewest, CheckKind(fewest))
        return self._beyond

    def _admit_kind(self, labels: CheckLabels, detail: Detail) -> CheckKind | None:
        """The one with these labels; None if it has no room."""
        kind = self._kinds.get(labels)
        if kind is None and self._admits(labels.app, detail):
            kind = self._kinds[labels] = CheckKind(labels, detail)
        return kind

    def _admits(self, app: str, detail: Detail) -> bool:
        """Whether there is room for one more, which is then taken."""
        room, used = self._limit * detail.share, self._of_all[detail.name]
        of_app = detail.of_app if used < room / 2 else min(detail.of_app, ALWAYS_OF_APP)
        if used >= room or self._of_app[app, detail.name] >= of_app:
            return False
        self._of_app[app, detail.name] += 1
        self._of_all[detail.name] += 1
        return True

    def _number_of(self, kind: CheckKind, segments: tuple[str, ...]) -> int:
        """Without segments if there is no room for them."""
        number = kind.numbers.get(segments)
        if number is not None:
            return number
        labels, number = kind.labels, len(self.counts)
        if labels is None:
            return 0
        if segments:
            detail = kind.detail
            if detail is None or not self._admits(labels.app, detail._replace(name=f"{detail.name} with segments")):
                self._dropped["heard_labels_dropped"] += 1
                return self._number_of(kind, ())
        elif number >= self._limit:
            return 0
        self.counts.append(0)
        self._meaning.append((labels, segments))
        kind.numbers[segments] = number
        return number

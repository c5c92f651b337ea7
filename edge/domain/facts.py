"""What a node knows about a single device: the channel an old plugin chose, what it was offered, what failed on it.

Values and what they mean for a decision; `attempts` has how they change, `edge.facts` keeps them. Names are 48-bit
hashes, so that the facts of a device fit one slot.
"""

import enum
from collections.abc import Container, Mapping
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from edge.domain.model import Bundle, UpdateCheck

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400
DAY_LIMIT = 1 << 16  # a day has 16 bits: until the year 2149
HOURS_BEGIN = (
    1_577_836_800  # the first hour of 2020, in seconds since the epoch; an hour has 19 bits: until the year 2079
)
HOUR_LIMIT = 1 << 19
NAMES_LIMIT = 4  # failures and offers together: what fits a slot (edge.facts.slot)
WITHHELD_LIMIT = 3  # leaves room for at least one offer
MARK_BITS, RAN_BITS = 6, 10
FORGOT_DAYS = 4  # the resolution of when the latest forgotten failure was


class Cause(enum.IntEnum):
    """What a device reported, by the number that slots hold. `word` is the action of its report."""

    UPDATE_FAIL = 1
    SET_FAIL = 2
    DECRYPT_FAIL = 3
    CHECKSUM_FAIL = 4
    UNZIP_FAIL = 5
    CHECKSUM_REQUIRED = 6
    SESSION_KEY_REQUIRED = 7
    DOWNLOAD_FAIL = 8
    MANIFEST_PATH_FAIL = 9
    DOWNLOAD_MANIFEST_FILE_FAIL = 10
    DOWNLOAD_MANIFEST_CHECKSUM_FAIL = 11
    DOWNLOAD_MANIFEST_BROTLI_FAIL = 12
    WINDOWS_PATH_FAIL = 13
    CANONICAL_PATH_FAIL = 14
    DIRECTORY_PATH_FAIL = 15

    @property
    def word(self) -> str:
        return self.name.lower()


STARTS = frozenset({Cause.UPDATE_FAIL, Cause.SET_FAIL})  # the bundle is there and does not work: once is enough
CERTAIN = frozenset(  # no bad network causes these
    {
        Cause.DECRYPT_FAIL,
        Cause.CHECKSUM_FAIL,
        Cause.UNZIP_FAIL,
        Cause.CHECKSUM_REQUIRED,
        Cause.SESSION_KEY_REQUIRED,
    }
)
# Every action that can report a failed attempt (PROTOCOL.md §5.8); `finish_download_fail` adds no cause.
CAUSES: Mapping[str, Cause] = {cause.word: cause for cause in Cause} | {"finish_download_fail": Cause.DOWNLOAD_FAIL}


class FailureStage(enum.IntEnum):
    """How far the failures of a bundle on a device have come, by the number that slots hold."""

    FAILED_ONCE = 1
    FAILED_TWICE = 2
    FOR_A_DAY = 3  # withheld from here on
    FOR_2_DAYS = 4
    FOR_4_DAYS = 5
    FOR_7_DAYS = 6
    FOR_GOOD = 7


_DAYS = {FailureStage.FOR_A_DAY: 1, FailureStage.FOR_2_DAYS: 2, FailureStage.FOR_4_DAYS: 4, FailureStage.FOR_7_DAYS: 7}


class Failure(NamedTuple):
    """A bundle whose last attempt failed on the device."""

    bundle: int
    stage: FailureStage
    cause: Cause
    mark: int = 0  # `mark_of` the bundle and the device at the offer that failed
    hour: int = 0  # when, as of `hour_of`

    @property
    def withheld(self) -> bool:
        """Whether it is or was withheld; before that, a bad network may be the reason."""
        return self.stage >= FailureStage.FOR_A_DAY

    @property
    def attempts(self) -> int:
        """The least number of attempts that failed in a row."""
        if self.cause in STARTS:
            return 1
        if not self.withheld:
            return int(self.stage)
        first = 2 if self.cause in CERTAIN else 3
        return first + max(self.stage - FailureStage.FOR_A_DAY, 0) % (FailureStage.FOR_GOOD - FailureStage.FOR_A_DAY)

    @property
    def until(self) -> float | None:
        """Until when it is withheld, in seconds since the epoch. 0: it is not; None: for good."""
        if self.stage is FailureStage.FOR_GOOD:
            return None
        days = _DAYS.get(self.stage)
        return 0.0 if days is None else float(HOURS_BEGIN + self.hour * HOUR_SECONDS + days * DAY_SECONDS)


class Latest(NamedTuple):
    """The latest noted offer. `packed` fits 64 bits, and most look-ups need not unpack it."""

    at: int = 0  # seconds since the epoch
    ran: int = 0  # `ran_of` what the device ran then; 0 once it has downloaded the bundle
    mark: int = 0  # `mark_of` the bundle and the device
    forgot: int = 0  # 0: no failure was forgotten; else all that were are older than this times FORGOT_DAYS days
    retried: bool = False  # the offer is of the last of `failures`; else of the last of `offered`
    counted: bool = False  # its failure is counted: no more of it is, and the next offer is noted

    def packed(self) -> int:
        low = self.forgot << 2 | self.retried << 1 | self.counted
        return self.at << 32 | self.ran << 22 | self.mark << 16 | low


class Behaviour(NamedTuple):
    """What segments know of how a device is used, as of its latest judgement; None: unknown, so no segment matches by
    it.

    `places` are bits: the parts of segments that the device was in. `revision` is the app's, by which that was judged.
    """

    first_seen_days: int | None = None
    sessions_7d: int | None = None
    errors_7d: int | None = None
    session_minutes_7d: int | None = None
    update_delay_hours: int | None = None
    install_seconds: int | None = None
    features: Container[str] | None = None
    judged_day: int = 0
    places: int = 0
    revision: int = 0

    def was_in(self, place: int, since: int) -> bool:
        """Whether the device was judged to be in the part of a segment that has this place since revision `since`."""
        return self.revision >= since and self.places >> place & 1 == 1


NOT_JUDGED = Behaviour()


class DeviceFacts(NamedTuple):
    """The facts of one device in one app. Names are `name_hash` values, oldest first; none is in both tuples."""

    channel: int = 0  # the chosen one; 0: none
    failures: tuple[Failure, ...] = ()
    offered: tuple[int, ...] = ()
    latest: int = 0  # a `Latest`, packed
    behaviour: Behaviour = NOT_JUDGED


NO_FACTS = DeviceFacts()


def name_hash(name: str) -> int:
    """1 to 2**48 - 1 for the name of a channel or a bundle. Tables on disk hold it, so it never changes.

    Two of an app's 1,000 bundles share a hash once in 500 million apps; one would then be withheld with the other.
    """
    return xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")) >> 16 or 1


def mark_of(bundle: Bundle, check: UpdateCheck) -> int:
    """A mark, in MARK_BITS, of everything that can make a failed download succeed: the bundle's bytes and keys, the
    device's key, plugin and native version. One change in 64 goes unnoticed; the bundle is then offered later.
    """
    session_key = bundle.encryption.session_key if bundle.encryption else ""
    words = (bundle.zip, session_key, check.key_id, check.plugin.version, check.version_build)
    return xxh3_64_intdigest("\0".join(words).encode("utf-8", "surrogatepass")) & (1 << MARK_BITS) - 1


def ran_of(version_name: str) -> int:
    """A hash in RAN_BITS of what a device runs, to recognise reports that name it; never 0."""
    return xxh3_64_intdigest(version_name.encode("utf-8", "surrogatepass")) & (1 << RAN_BITS) - 1 or 1


def day_of(now: float) -> int:
    """Days since the epoch, at least 1. `now` in seconds since the epoch, here and below."""
    return min(max(int(now // DAY_SECONDS), 1), DAY_LIMIT - 1)


def hour_of(now: float) -> int:
    """The next full hour, counted from HOURS_BEGIN."""
    return min(max(int(-(-(now - HOURS_BEGIN) // HOUR_SECONDS)), 0), HOUR_LIMIT - 1)


def failure_of(facts: DeviceFacts, bundle: int) -> Failure | None:
    """`bundle` is a `name_hash`, here and below."""
    return next((failure for failure in facts.failures if failure.bundle == bundle), None)


def is_withheld(failure: Failure, mark: int, now: float) -> bool:
    """Whether a bundle is withheld from a device that it would be offered to now. Setting the clock back extends it."""
    until = failure.until
    return until is None or (now < until and failure.mark == mark)


def latest_of(facts: DeviceFacts) -> Latest:
    """The latest noted offer, unpacked."""
    packed = facts.latest
    ran, mark = packed >> 22 & (1 << RAN_BITS) - 1, packed >> 16 & (1 << MARK_BITS) - 1
    return Latest(packed >> 32, ran, mark, packed >> 2 & (1 << 14) - 1, bool(packed & 2), bool(packed & 1))


def last_offered(facts: DeviceFacts) -> int:
    """The bundle of the latest noted offer; 0 if unknown."""
    if facts.latest & 2:
        return facts.failures[-1].bundle if facts.failures else 0
    return facts.offered[-1] if facts.offered else 0


def awaits(facts: DeviceFacts, bundle: int) -> bool:
    """Whether the latest noted offer is of this bundle, and no failure of it is counted since: another offer of it is
    then no news."""
    return not facts.latest & 1 and last_offered(facts) == bundle


def has_downloaded(facts: DeviceFacts, bundle: int) -> bool:
    """Whether the latest noted offer is of this bundle, and the device has since reported having it."""
    return awaits(facts, bundle) and not latest_of(facts).ran


def is_on_its_way(facts: DeviceFacts, bundle: int) -> bool:
    """Whether the latest noted offer is of this bundle, no failure of it is counted since, and the device has not
    reported having it."""
    return awaits(facts, bundle) and facts.latest >> 22 & (1 << RAN_BITS) - 1 > 0


def is_only_on_its_way(facts: DeviceFacts, bundle: int) -> bool:
    """Whether `is_on_its_way`, and nothing else is known that a decision reads: no failure, not even a forgotten one,
    and no stored choice. So it is with nearly every device that checks again before it has what it was offered."""
    latest, offered = facts.latest, facts.offered
    return bool(
        offered
        and offered[-1] == bundle
        and latest >> 22 & (1 << RAN_BITS) - 1
        and not latest & 0xFFFF  # `forgot`, `retried` and `counted`
        and not facts.failures
        and not facts.channel
    )


def knows(facts: DeviceFacts, bundle: int) -> bool:
    """Whether the bundle was recently offered to the device."""
    return bundle in facts.offered or failure_of(facts, bundle) is not None


def forgot_until(facts: DeviceFacts) -> float:
    """A bundle published before this, in seconds since the epoch, may be among the forgotten failures; 0: none is."""
    return float((facts.latest >> 2 & (1 << 14) - 1) * FORGOT_DAYS * DAY_SECONDS)


def forgotten_with(facts: DeviceFacts) -> int:
    """`Latest.forgot` once these facts are forgotten."""
    failed = [forgotten_failure(failure) for failure in facts.failures if failure.withheld]
    return max([latest_of(facts).forgot, *failed])


def forgotten_failure(failure: Failure) -> int:
    """`Latest.forgot` once this failure is forgotten."""
    return (HOURS_BEGIN + failure.hour * HOUR_SECONDS) // (FORGOT_DAYS * DAY_SECONDS) + 1

"""What a node knows of a single device: the channel an old plugin chose, what was offered to it, what failed on it.

Values and what they mean for a decision; `attempts` has what happens to them, and where they are kept is not known
here. Names are held as 48-bit hashes, so that all that is known of a device fits one slot.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from edge.domain.model import Bundle, UpdateCheck

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400
DAY_LIMIT = 1 << 16  # a day is kept in 16 bits: until the year 2149
HOURS_BEGIN = 1_577_836_800  # the first hour of 2020; an hour is kept in 19 bits: until the year 2079
HOUR_LIMIT = 1 << 19
NAMES_LIMIT = 4  # failures and offers together: what a slot has room for (telemetry.facts_slot)
WITHHELD_LIMIT = 3  # so that at least one place is left for an offer
MARK_BITS, RAN_BITS = 6, 10
FORGOT_DAYS = 4  # how exactly it is kept when the latest failure was that had to be forgotten


class Cause(enum.IntEnum):
    """What a device reported, by the number that slots hold; `word` is the report's action."""

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


STARTS = frozenset({Cause.UPDATE_FAIL, Cause.SET_FAIL})  # it was there and does not work: once is enough
CERTAIN = frozenset(  # no bad network says so
    {
        Cause.DECRYPT_FAIL,
        Cause.CHECKSUM_FAIL,
        Cause.UNZIP_FAIL,
        Cause.CHECKSUM_REQUIRED,
        Cause.SESSION_KEY_REQUIRED,
    }
)
# Every action that can be about a failed attempt (device-protocol §5.8); one of them says nothing of its own.
CAUSES: Mapping[str, Cause] = {cause.word: cause for cause in Cause} | {"finish_download_fail": Cause.DOWNLOAD_FAIL}


class FailureStage(enum.IntEnum):
    """How far a bundle has come that fails on a device, by the number that slots hold."""

    FAILED_ONCE = 1
    FAILED_TWICE = 2
    FOR_A_DAY = 3  # withheld, from here on
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
    hour: int = 0  # when, as `hour_of` tells it

    @property
    def withheld(self) -> bool:
        """Whether it is or was withheld: only then it failed, and did not just meet a bad network."""
        return self.stage >= FailureStage.FOR_A_DAY

    @property
    def attempts(self) -> int:
        """How many failed in a row, at least."""
        if self.cause in STARTS:
            return 1
        if not self.withheld:
            return int(self.stage)
        first = 2 if self.cause in CERTAIN else 3
        return first + max(self.stage - FailureStage.FOR_A_DAY, 0) % (FailureStage.FOR_GOOD - FailureStage.FOR_A_DAY)

    @property
    def until(self) -> float | None:
        """Until when it is withheld, in seconds since the epoch; 0 where it is not, None for good."""
        if self.stage is FailureStage.FOR_GOOD:
            return None
        days = _DAYS.get(self.stage)
        return 0.0 if days is None else float(HOURS_BEGIN + self.hour * HOUR_SECONDS + days * DAY_SECONDS)


class Latest(NamedTuple):
    """The latest offer that was noted. `packed` fits 64 bits, and most of what is looked up leaves it so."""

    at: int = 0  # in seconds since the epoch
    ran: int = 0  # `ran_of` what the device ran when it asked; 0 since it has downloaded the bundle
    mark: int = 0  # `mark_of` the bundle and the device
    forgot: int = 0  # 0: no failure had to be forgotten; else all of them were before that many times FORGOT_DAYS
    retried: bool = False  # of the last of `failures`; else of the last of `offered`
    counted: bool = False  # its failure was; nothing more of it counts, and the next offer is noted

    def packed(self) -> int:
        low = self.forgot << 2 | self.retried << 1 | self.counted
        return self.at << 32 | self.ran << 22 | self.mark << 16 | low


class DeviceFacts(NamedTuple):
    """Of one device of one app. Names are `name_hash` values, the oldest first; none is in both tuples."""

    channel: int = 0  # 0: chose none
    failures: tuple[Failure, ...] = ()
    offered: tuple[int, ...] = ()
    latest: int = 0  # a `Latest`, packed
    first_seen_days: int | None = None  # None, here and below: nobody knows, so no segment matches by it
    sessions_7d: int | None = None
    errors_7d: int | None = None
    features: frozenset[str] | None = None


NO_FACTS = DeviceFacts()


def name_hash(name: str) -> int:
    """1 to 2**48 - 1 for a channel's or a bundle's name. Tables on disk hold it: it never changes.

    Two of 1,000 bundles of an app share a hash once in 500 million apps; such a bundle would be withheld in vain.
    """
    return xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")) >> 16 or 1


def mark_of(bundle: Bundle, check: UpdateCheck) -> int:
    """What has to change before a failed download may turn out otherwise, in MARK_BITS: the bundle's bytes and keys,
    the device's key, plugin and native version. One change in 64 goes unnoticed; the bundle waits for its next turn.
    """
    session_key = bundle.encryption.session_key if bundle.encryption else ""
    words = (bundle.zip, session_key, check.key_id, check.plugin.version, check.version_build)
    return xxh3_64_intdigest("\0".join(words).encode("utf-8", "surrogatepass")) & (1 << MARK_BITS) - 1


def ran_of(version_name: str) -> int:
    """RAN_BITS of the name of what a device runs, for reports that name it; never 0."""
    return xxh3_64_intdigest(version_name.encode("utf-8", "surrogatepass")) & (1 << RAN_BITS) - 1 or 1


def day_of(now: float) -> int:
    """Days since the epoch, at least 1."""
    return min(max(int(now // DAY_SECONDS), 1), DAY_LIMIT - 1)


def hour_of(now: float) -> int:
    """The next full hour, counted from HOURS_BEGIN."""
    return min(max(int(-(-(now - HOURS_BEGIN) // HOUR_SECONDS)), 0), HOUR_LIMIT - 1)


def failure_of(facts: DeviceFacts, bundle: int) -> Failure | None:
    return next((failure for failure in facts.failures if failure.bundle == bundle), None)


def is_withheld(failure: Failure, mark: int, now: float) -> bool:
    """Whether the bundle is kept from a device that it would be offered to now. A clock set back keeps it longer."""
    until = failure.until
    return until is None or (now < until and failure.mark == mark)


def latest_of(facts: DeviceFacts) -> Latest:
    packed = facts.latest
    ran, mark = packed >> 22 & (1 << RAN_BITS) - 1, packed >> 16 & (1 << MARK_BITS) - 1
    return Latest(packed >> 32, ran, mark, packed >> 2 & (1 << 14) - 1, bool(packed & 2), bool(packed & 1))


def last_offered(facts: DeviceFacts) -> int:
    """The bundle of the latest offer; 0 where nobody knows."""
    if facts.latest & 2:
        return facts.failures[-1].bundle if facts.failures else 0
    return facts.offered[-1] if facts.offered else 0


def awaits(facts: DeviceFacts, bundle: int) -> bool:
    """Whether the latest offer that was noted is of this bundle, and no failure of it was counted since: then another
    one of the same bundle tells nothing new."""
    return not facts.latest & 1 and last_offered(facts) == bundle


def has_downloaded(facts: DeviceFacts, bundle: int) -> bool:
    """Whether the latest offer that was noted is of this bundle, and the device reported since that it has it."""
    return awaits(facts, bundle) and not latest_of(facts).ran


def knows(facts: DeviceFacts, bundle: int) -> bool:
    """Whether it was lately offered."""
    return bundle in facts.offered or failure_of(facts, bundle) is not None


def forgot_until(facts: DeviceFacts) -> float:
    """A bundle that was published before this may be among the failures that had to be forgotten; 0 where none was."""
    return float((facts.latest >> 2 & (1 << 14) - 1) * FORGOT_DAYS * DAY_SECONDS)


def forgotten_with(facts: DeviceFacts) -> int:
    """`Latest.forgot` once all of this is forgotten."""
    failed = [forgotten_failure(failure) for failure in facts.failures if failure.withheld]
    return max([latest_of(facts).forgot, *failed])


def forgotten_failure(failure: Failure) -> int:
    """`Latest.forgot` once this is forgotten."""
    return (HOURS_BEGIN + failure.hour * HOUR_SECONDS) // (FORGOT_DAYS * DAY_SECONDS) + 1

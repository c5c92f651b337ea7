"""At which hours of its own day a device is used: 24 counters that forget, in a byte each. Pure.

Each hour of local time in which the device is heard of adds STEP, and every week leaves three quarters of what there
was: after a month, what was known before weighs a third. So a habit that changed is seen within weeks.
"""

HOURS = 24
UNKNOWN_HOURS = bytes(HOURS)
STEP = 16  # 15 hours of a kind in a week fill a byte
WEEK_HOURS = 168
KEPT_SHARE = (3, 4)  # of a counter, each week
FORGOTTEN_WEEKS = 20  # after which nothing of a full byte is left
FEW_HOURS = 3  # of use, as they weigh now: so few may be one late evening
_FULL = 255


def learn_hour(hours: bytes, last: int, hour: int, local_hour: int) -> bytes:
    """With one more hour of use: `hour` since the epoch, `local_hour` of the device's day, 0 to 23. `last` is the hour
    that was learned last, 0 for none; one that is not later changes nothing."""
    if hour <= last:
        return hours
    counters = bytearray(decay(hours, hour // WEEK_HOURS - last // WEEK_HOURS) if last else hours)
    if counters[local_hour] > _FULL - STEP:
        counters = bytearray(each // 2 for each in counters)
    counters[local_hour] += STEP
    return bytes(counters)


def decay(hours: bytes, weeks: int) -> bytes:
    """After so many weeks."""
    if weeks >= FORGOTTEN_WEEKS:
        return UNKNOWN_HOURS
    kept, of = KEPT_SHARE
    for _ in range(weeks):
        hours = bytes(each * kept // of for each in hours)
    return hours


def usual_hour(hours: bytes) -> int | None:
    """The hour of its day at which the device is most likely used; None: too little is known. Its neighbours count a
    half each, so that a habit around a full hour is one. Of equal ones the earlier."""
    if sum(hours) <= FEW_HOURS * STEP:
        return None
    weights = [2 * hours[at] + hours[at - 1] + hours[(at + 1) % HOURS] for at in range(HOURS)]
    return weights.index(max(weights))

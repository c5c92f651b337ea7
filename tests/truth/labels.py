"""Which labels a device's check has, worked out from the operator's deeds and the published way of drawing devices."""

from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from tests.truth.diary import Began, Diary, Owner

WHOLE = 100_000  # thousandths of a percent


class Labels(NamedTuple):
    """Of a device, as of a check; the names are those of the port."""

    platform: str
    channel: str
    segments: tuple[str, ...]
    side: str
    arm: str
    kind: str
    os: str
    country: str
    plugin: str


UNKNOWN = Labels("", "", (), "", "", "device", "", "", "")


def labels_at(diary: Diary, owner: Owner, at_ms: int) -> Labels:
    """Of a check at that time."""
    segments = ("droids",) if owner.platform == "android" else ()
    segments += ("east",) if owner.country == "JP" else ()
    return Labels(
        owner.platform,
        owner.channel,
        segments,
        next((_side(diary, owner, each, at_ms) for each in diary.rollouts if _runs(each, owner, at_ms)), ""),
        next((_arm(diary, owner, each) for each in diary.experiments if _runs(each, owner, at_ms)), ""),
        owner.kind,
        owner.os.partition(".")[0],
        owner.country,
        owner.plugin,
    )


def before_any_check(owner: Owner) -> Labels:
    """Of what a device says before a check of it was heard of."""
    return Labels(owner.platform, "", (), "", "", owner.kind, owner.os.partition(".")[0], "", owner.plugin)


def _runs(each: Began, owner: Owner, at_ms: int) -> bool:
    return each.channel == owner.channel and each.at_ms <= at_ms < (each.ended_ms or at_ms + 1)


def _bucket(salt: str, owner: Owner) -> int:
    return xxh3_64_intdigest(salt.encode() + owner.id.encode()) % WHOLE


def _side(diary: Diary, owner: Owner, rollout: Began, at_ms: int) -> str:
    share = max((share for since, share in rollout.steps if since <= at_ms), default=0)
    if _bucket(f"group\0{diary.app}\0control\0", owner) < rollout.hold_out:
        return f"{rollout.id}/control"
    reached = _bucket(f"rollout\0{diary.app}\0{rollout.id}\0", owner) < share
    return f"{rollout.id}/{'new' if reached else 'rest'}"


def _arm(diary: Diary, owner: Owner, experiment: Began) -> str:
    bucket, end = _bucket(f"experiment\0{diary.app}\0{experiment.id}\0", owner), 0
    for name, weight in experiment.arms:
        end += weight
        if bucket < end:
            return f"{experiment.id}/{name}"
    raise AssertionError("the weights are 100 % together")

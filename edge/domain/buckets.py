"""A device's bucket: one of 100,000 by hash, the same on every node, permanently.

Changing it would re-roll every rollout in the world. Each salt makes an independent draw: devices that are first in one
are not first in the next.
"""

from xxhash import xxh3_64_intdigest

from edge.domain.shares import WHOLE_SHARE

BUCKETS = WHOLE_SHARE  # a thousandth of a percent each: `conditions.Bucket` counts in them


def bucket_of(salt: bytes, device: str) -> int:
    """0 to BUCKETS - 1. `device` is a lower-case UUID."""
    return bucket_of_written(salt, device.encode())


def bucket_of_written(salt: bytes, device: bytes) -> int:
    """`bucket_of` a UUID as it is written."""
    return xxh3_64_intdigest(salt + device) % BUCKETS


def rollout_salt(app: str, salt: str) -> bytes:
    """Of the devices that a rollout's share takes."""
    return f"rollout\0{app}\0{salt}\0".encode()


def hold_out_salt(app: str, group: str) -> bytes:
    """Of the devices that a rollout holds out."""
    return f"group\0{app}\0{group}\0".encode()


def segment_salt(app: str, segment: str) -> bytes:
    """The salt of `bucket(percent)` in a segment's expression."""
    return f"segment\0{app}\0{segment}\0".encode()


def feature_salt(app: str, salt: str, rule: str = "") -> bytes:
    """Of the devices that a feature's share takes, or the share of one of its rules."""
    return f"feature\0{app}\0{salt}\0{rule}\0".encode()

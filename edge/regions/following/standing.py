"""How the following goes, for whoever asks: readiness, metrics, the list of nodes."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple


class FollowStanding(NamedTuple):
    """As of now. Times are in seconds since the epoch, 0.0 for never. `verified_issued`: when the verified heads were
    signed, by shard. `refused` counts refused documents and blobs by code, each once; `refusal` is the latest of those
    that still stand, "" for none. `unreachable_since` None: the last look came to an end."""

    source: str
    verified_issued: Mapping[str, float]
    last_look: float
    last_change: float
    refused: Counter[str]
    refusal: str
    waiting_blobs: int
    mirrored_bytes: int
    fetched_bytes: int
    unreachable_since: float | None
    trouble: str

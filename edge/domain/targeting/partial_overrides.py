"""An app's overrides of which a part cannot be read: it stays what it is, and what would need it is refused.

Overrides are kept in up to 256 parts, by hash of the device id. A part that cannot be read goes from state to state by
the digest of its blob. It is never taken for empty: asking for a device of it, or for all devices, raises.
"""

import hashlib
from collections.abc import Iterator, Mapping

from edge.domain.errors import Unavailable
from edge.domain.model import AppState, ChannelName, DeviceId, Digest
from edge.domain.states import with_entry, without_entry

REPAIR = "edge store repair --from COPY"

Overrides = Mapping[DeviceId, ChannelName]


def override_shard_of(device: DeviceId) -> str:
    """`00` to `ff`. Hashed, since devices choose their ids, which need not be spread evenly."""
    return hashlib.sha256(device.encode()).hexdigest()[:2]


class PartialOverrides(Mapping[DeviceId, ChannelName]):
    """`known` are those that can be read, `lost` the digests of the blobs that cannot, by part; at least one. The
    length is that of `known`. Raises Unavailable `overrides_lost` where the answer depends on a lost part."""

    def __init__(self, known: Overrides, lost: Mapping[str, Digest]) -> None:
        self.known = known
        self.lost = lost

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.known)

    def __getitem__(self, device: DeviceId) -> ChannelName:
        blob = self.lost.get(override_shard_of(device))
        if blob is not None:
            raise _lost(blob, f"it may have the override of device {device!r}, which can be neither set nor cleared")
        return self.known[device]

    def __iter__(self) -> Iterator[DeviceId]:
        blob = next(iter(self.lost.values()))
        raise _lost(blob, "the overrides can be neither listed nor searched, and no channel can be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PartialOverrides):
            return False
        return (self.known, self.lost) == (other.known, other.lost)

    __hash__ = None  # type: ignore[assignment]  # as a dict


def split(overrides: Overrides) -> tuple[Overrides, Mapping[str, Digest]]:
    """The overrides that can be read, and the digests of the lost parts."""
    return (overrides.known, overrides.lost) if isinstance(overrides, PartialOverrides) else (overrides, {})


def joined(known: Overrides, lost: Mapping[str, Digest]) -> Overrides:
    """What `split` took apart."""
    return PartialOverrides(known, lost) if lost else known


def with_override(overrides: Overrides, device: DeviceId, channel: ChannelName) -> Overrides:
    """For a device that is in no lost part."""
    known, lost = split(overrides)
    return joined(with_entry(known, device, channel), lost)


def without_override(overrides: Overrides, device: DeviceId) -> Overrides:
    """For a device that is in no lost part."""
    known, lost = split(overrides)
    return joined(without_entry(known, device), lost)


def check_going_back(state: AppState, before: AppState) -> None:
    """An undo must not put a part that cannot be read in the place of one that can. Raises Unavailable
    `overrides_lost`. A deleted app has no part to lose."""
    held = split(state.overrides)[1]
    newly = [blob for part, blob in split(before.overrides)[1].items() if held.get(part) != blob]
    if newly and not state.deleted:
        raise _lost(newly[0], "an undo would go back to it")


def _lost(blob: Digest, blocked: str) -> Unavailable:
    return Unavailable(
        "overrides_lost",
        f"blob {blob}, a part of the app's overrides, cannot be read: {blocked} until `{REPAIR}` has repaired it; "
        "all other changes can be made",
    )

"""An app's overrides when blobs of them cannot be read: a device of those shards may have one."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from edge.domain.decision.snapshot import UNKNOWN_CHANNEL
from edge.domain.model import ChannelName, DeviceId
from edge.domain.targeting.partial_overrides import override_shard_of


class GappedOverrides(Mapping[DeviceId, ChannelName]):
    """`get` returns UNKNOWN_CHANNEL for a device of a shard in `lost`, whether it had an override or not."""

    def __init__(self, known: Mapping[DeviceId, ChannelName], lost: Collection[str]) -> None:
        self._known = known
        self._lost = frozenset(lost)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, device: DeviceId) -> ChannelName:
        return self._known[device]

    def __iter__(self) -> Iterator[DeviceId]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, device: DeviceId, default: Any = None) -> Any:
        if override_shard_of(device) in self._lost:
            return UNKNOWN_CHANNEL
        return self._known.get(device, default)

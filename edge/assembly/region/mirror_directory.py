"""The data directory of a node that follows: a verified copy of somebody's store, and no key that signs anything."""

from contextlib import suppress
from pathlib import Path

from edge.domain.errors import EdgeError
from edge.node.processes.data_directory import OpenedDirectory
from edge.regions.following.followed_releases import FollowedReleases
from edge.store.held_heads import HeldHeads
from edge.store.key_set import open_trust


class MirrorDirectory(OpenedDirectory):
    """Its copy has a key set: see `first_sight`."""

    partial = True
    releases: FollowedReleases

    def __init__(self, data_dir: Path, now: float, home: str) -> None:
        """`home`: where changes are made. Raises EdgeError, as for a copy of another store than the pinned one."""
        super().__init__(data_dir, now)
        self.store = self.mirror
        self.trust = open_trust(self.store, self.node_dir, now)
        self.reserve.fill()
        self.held = HeldHeads(self.node_dir, self.reserve)
        self.releases = FollowedReleases(self.store, self.trust, home, self.held)

    def renew(self, now: float) -> None:
        """Give the copy its key set again, if that was damaged, too."""
        with suppress(EdgeError):
            self.trust.put_back()
        super().renew(now)

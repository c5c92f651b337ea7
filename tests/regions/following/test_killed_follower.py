"""Killed at any write, a follower leaves a copy that the next process serves whole: the old release, or the new one."""

import errno
from contextlib import suppress

import pytest
from factories import APP, a_change
from followed_world import FollowedWorld, copy_of
from node_world import publish

from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel
from edge.domain.targeting.places import NodePlace
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.regions.source import SourceLost
from edge.store.objects.fs import FsStore

MOST_WRITES = 60


class MortalStore(FsStore):
    """Nothing reaches the disk from its write with this number on, as after a kill."""

    def __init__(self, root, left: int) -> None:
        super().__init__(root)
        self.left = left

    def _count(self) -> None:
        if self.left == 0:
            raise OSError(errno.EIO, "killed")
        self.left -= 1

    def create(self, key, data):
        self._count()
        return super().create(key, data)

    def swap(self, key, data, tag):
        self._count()
        return super().swap(key, data, tag)

    def adopt(self, key, file):
        self._count()
        return super().adopt(key, file)

    def replace(self, key, file):
        self._count()
        return super().replace(key, file)


async def follow(world, left: int) -> bool:
    """Whether the process survived."""
    mortal = None

    def wrap(mirror):
        nonlocal mortal
        mortal = MortalStore(mirror.root, left)
        return mortal

    await world.start(wrap)
    with suppress(SourceLost, OSError):
        await world.follower.look()
    await world.follower.fetcher.close()
    return mortal.left > 0


def served_version(world) -> str | None:
    """What the copy offers, compiled as a worker does, which finds nothing missing."""
    head = world.reader.heads().get(APP)
    if head is None:
        return None
    loaded = SnapshotBuilder(world.mirror, NodePlace()).load(APP, head, world.now)
    assert loaded.damages == (), loaded.damages
    stable = loaded.snapshot.channels["production"].stable
    return stable.version if stable else None


@pytest.mark.parametrize("first", [True, False], ids=["cold", "warm"])
async def test_a_copy_starts_after_a_kill_at_any_write(tmp_path, first):
    world = FollowedWorld(tmp_path)
    world.truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    world.truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    publish(world.truth, "1.0.1")
    if not first:
        assert await follow(world, 1_000)
        publish(world.truth, "1.0.2")
    seen = set()
    for left in range(MOST_WRITES):
        survived = await follow(world, left)
        await world.start()
        seen.add(served_version(world))
        if survived:
            break
    assert survived and seen == ({None, "1.0.1"} if first else {"1.0.1", "1.0.2"})
    await world.start()
    await world.follower.look()
    await world.follower.tending.go_round()
    await world.settle()
    assert copy_of(world.truth.mirror).keys() >= copy_of(world.mirror).keys()
    await world.follower.fetcher.close()

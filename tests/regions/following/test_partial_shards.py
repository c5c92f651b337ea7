"""One app of a shard does not arrive: the others are served, also by the next process, and it is served as before."""

import itertools
from contextlib import suppress

import pytest
from factories import a_change
from followed_world import FollowedWorld, TestedSource
from test_killed_follower import MortalStore

from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, SetChannel
from edge.domain.model import AppId
from edge.regions.source import SourceLost
from edge.store.heads import shard_of
from edge.store.objects.port import head_key

QUICK = AppId("com.example.quick")
SLOW = next(name for n in itertools.count() if shard_of(name := AppId(f"com.example.slow{n}")) == shard_of(QUICK))


class WithoutRevisions(TestedSource):
    """`without` are apps whose revisions it does not give."""

    __test__ = False
    without = frozenset()

    async def revisions(self, app, until, after):
        if app in self.without:
            raise SourceLost("missing_object", f"no revision of {app}")
        async for content in super().revisions(app, until, after):
            yield content


@pytest.fixture
async def world(tmp_path):
    world = FollowedWorld(tmp_path)
    world.source = WithoutRevisions(world.truth.mirror)
    for app in (QUICK, SLOW):
        world.truth.releases.commit(app, a_change(CreateApp(app=app)))
        change(world, app, None)
    await world.start()
    await world.follower.look()
    world.told.clear()
    yield world
    await end(world)


async def end(world):
    await world.follower.close()
    await world.follower.fetcher.close()


def change(world, app, spread):
    settings = ChannelSettings(public=True, spread_seconds=spread or 0)
    command = SetChannel if spread else CreateChannel
    return world.truth.releases.commit(app, a_change(command(name="production", settings=settings)))


def served(world):
    """By app, as a process that starts now reads it."""
    return {app: head.revision for app, head in world.reader.heads().items()}


def change_both(world):
    world.source.without = {SLOW}
    change(world, SLOW, 1)
    change(world, QUICK, 1)


async def test_the_others_are_told_and_stay_so_after_a_kill_with_the_source_gone(world):
    change_both(world)
    await world.follower.look()
    assert world.revisions == {QUICK: 3} and served(world) == {QUICK: 3, SLOW: 2}
    await end(world)
    world.source.lost = True
    await world.start()
    assert served(world) == {QUICK: 3, SLOW: 2}
    assert world.reader.load(SLOW).revision == 2  # what is served of it is here


async def test_what_did_not_arrive_is_told_once_it_does_also_by_the_next_process(world):
    change_both(world)
    await world.follower.look()
    await end(world)
    await world.start()
    world.source.without = {}
    await world.follower.look()
    assert world.revisions == {QUICK: 3, SLOW: 3} and served(world) == {QUICK: 3, SLOW: 3}


async def test_the_copy_has_the_shard_for_those_that_follow_it(world):
    change_both(world)
    await world.follower.look()
    key = head_key(shard_of(QUICK))
    assert world.mirror.get(key).data == world.truth.mirror.get(key).data
    late = []
    world.follower.on_late = late.append
    world.source.without = {}
    await world.follower.look()
    assert [each.shards for each in late] == [(shard_of(SLOW),)]


async def test_an_older_shard_is_refused_after_a_kill_though_an_app_did_not_arrive(world):
    older = world.truth.mirror.get(head_key(shard_of(QUICK)))
    change_both(world)
    await world.follower.look()
    await end(world)
    await world.start()
    world.source.alter_document = lambda each: (
        each._replace(content=older.data, tag="older") if each.key == head_key(shard_of(QUICK)) else each
    )
    await world.follower.look()
    assert world.follower.refused["older_document"] == 1 and served(world) == {QUICK: 3, SLOW: 2}


async def test_several_changes_while_it_does_not_arrive_end_at_the_last(world):
    change_both(world)
    for seconds in (2, 3, 4):
        await world.follower.look()
        assert served(world)[SLOW] == 2
        change(world, SLOW, seconds)
        change(world, QUICK, seconds)
    await world.follower.look()
    assert served(world) == {QUICK: 6, SLOW: 2}
    world.source.without = {}
    await world.follower.look()
    assert served(world) == {QUICK: 6, SLOW: 6}


async def test_a_new_app_that_does_not_arrive_is_unknown_to_devices(world):
    new = next(name for n in itertools.count() if shard_of(name := AppId(f"com.example.new{n}")) == shard_of(QUICK))
    world.source.without = {new}
    world.truth.releases.commit(new, a_change(CreateApp(app=new)))
    await world.follower.look()
    assert served(world) == {QUICK: 2, SLOW: 2} and world.follower.standing.held_apps == 1


@pytest.mark.parametrize("left", range(6))
async def test_killed_at_any_write_no_app_goes_back_and_none_is_served_that_is_not_here(world, left):
    change_both(world)
    await end(world)
    world.told.clear()
    await world.start(lambda mirror: MortalStore(mirror.root, left))
    with suppress(OSError):
        await world.follower.look()
    told = world.revisions
    await end(world)
    await world.start()
    assert served(world)[SLOW] == 2 and served(world)[QUICK] >= told.get(QUICK, 2)
    assert world.reader.load(QUICK).revision == served(world)[QUICK]
    world.source.without = {}
    await world.follower.look()
    assert served(world) == {QUICK: 3, SLOW: 3}

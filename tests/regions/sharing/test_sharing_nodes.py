"""A home and regions: what a device brings about at one of them is known at all, whatever is lost, repeated or late."""

import asyncio
import random
import shutil

import pytest
from facts_world import APP, device
from sharing_world import SharingNode, sharing_world

from edge.domain.errors import Unavailable
from edge.domain.facts import NO_FACTS, name_hash
from edge.facts.changes import Chose, Downloaded, Erased, Failed, Installed, Lifted, LiftedFromMany, Offered
from edge.facts.slot import key_of

BETA, PRODUCTION = name_hash("beta"), name_hash("production")
ONE = name_hash("1.0.0")
OFFERED = Offered(APP, device(1), "1.0.0", "0.9.0", 5)
BROKEN = Failed(APP, device(1), "1.0.0", "update_fail", prefix="10.0.0.0/24")
UNSURE = Failed(APP, device(1), "0.9.0", "download_fail", prefix="10.0.0.0/24")


async def test_what_failed_in_one_region_is_withheld_in_all(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await here.record(OFFERED)
        await here.record(BROKEN)
        await world.settle()
        assert here.withheld(device(1)) == there.withheld(device(1)) == world.home.withheld(device(1)) == {ONE}
        await there.record(OFFERED)
        assert there.facts_of(device(1)).offered == ()


async def test_a_choice_follows_the_device_and_the_last_one_counts(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await here.record(Chose(APP, device(1), "beta"))
        await world.settle()
        assert there.facts_of(device(1)).channel == BETA
        await there.record(Chose(APP, device(1), "production"))
        await world.settle()
        assert here.facts_of(device(1)).channel == world.home.facts_of(device(1)).channel == PRODUCTION
        await here.record(Chose(APP, device(1), ""))
        await world.settle()
        assert {node.facts_of(device(1)).channel for node in (here, there, world.home)} == {0}


async def test_a_choice_that_is_made_again_out_of_touch_wins_over_the_one_in_between(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await here.record(Chose(APP, device(1), "beta"))
        await world.settle()
        here.journal.in_touch = False
        await there.record(Chose(APP, device(1), "production"))
        await here.record(Chose(APP, device(1), "beta"))
        await here.record(Chose(APP, device(1), "beta"))
        await world.settle()
        assert {node.facts_of(device(1)).channel for node in (here, there, world.home)} == {BETA}


async def test_a_lift_at_home_reaches_all_regions(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.regions[0].record(OFFERED, BROKEN)
        await world.settle()
        await world.home.record(Lifted(APP, device(1), "1.0.0"))
        await world.settle()
        assert [node.withheld(device(1)) for node in (*world.regions, world.home)] == [set()] * 3
        await world.regions[1].record(OFFERED, BROKEN)
        await world.settle()
        assert [node.withheld(device(1)) for node in (*world.regions, world.home)] == [{ONE}] * 3


async def test_a_lift_from_all_devices_at_home_reaches_them_in_all_regions(tmp_path):
    async with sharing_world(tmp_path) as world:
        for number in (1, 2):
            offer, failure = Offered(APP, device(number), "1.0.0"), Failed(APP, device(number), "1.0.0")
            await world.regions[number - 1].record(offer, failure)
        await world.settle()
        keys = [key_of(APP, device(number), world.home.writer.seed) for number in (1, 2)]
        assert await world.home.writer.lift_all(APP, "1.0.0", 0.0, dry_run=True) == 2
        await world.home.record(LiftedFromMany(ONE, keys))
        await world.settle()
        assert [node.withheld(device(number)) for node in world.regions for number in (1, 2)] == [set()] * 4


async def test_an_erasure_reaches_all_and_what_is_late_brings_nothing_back(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await here.record(Chose(APP, device(1), "beta"), OFFERED, BROKEN)
        await world.settle()
        await there.record(Offered(APP, device(1), "1.1.0"), Failed(APP, device(1), "1.1.0"))  # not told yet
        await world.home.record(Erased(APP, device(1)))
        await world.hear(0)
        assert here.facts_of(device(1)) == NO_FACTS
        await world.settle()
        assert [node.facts_of(device(1)) for node in (here, there, world.home)] == [NO_FACTS] * 3
        await there.record(Offered(APP, device(1), "1.2.0"), Failed(APP, device(1), "1.2.0"))
        await world.settle()
        assert here.withheld(device(1)) == {name_hash("1.2.0")}


@pytest.mark.parametrize("first", [0, 1], ids=["the offer is told first", "the failure is told first"])
async def test_a_failure_where_the_bundle_was_not_offered_is_judged_at_home(tmp_path, first):
    async with sharing_world(tmp_path, regions=3) as world:
        here, there, third = world.regions
        await here.record(OFFERED)
        world.clock.now += 60
        await there.record(BROKEN)
        assert there.withheld(device(1)) == set()
        await world.tell(first)
        await world.home.restart()
        await world.tell(1 - first)
        await world.settle()
        assert [node.withheld(device(1)) for node in (here, there, third, world.home)] == [{ONE}] * 4
        (told,) = {state.of(ONE).verdict.node for state in world.home.states().values()}
        assert told == there.name


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
async def test_attempts_in_several_regions_count_together(tmp_path, order):
    async with sharing_world(tmp_path, regions=3) as world:
        for region in world.regions:
            await region.record(OFFERED)
            world.clock.now += 30
            await region.record(UNSURE)
            world.clock.now += 30
        for number in order[:2]:
            await world.tell(number)
        await world.settle()
        withheld = world.home.withheld(device(1))
        assert [region.withheld(device(1)) for region in world.regions] == [withheld] * 3
        # An attempt that is told after a later one does not count: one more is needed then.
        assert withheld == ({ONE} if order == [0, 1, 2] else set())


async def test_evidence_from_before_a_lift_withholds_nothing_after_it(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await here.record(OFFERED, BROKEN)
        await world.settle()
        world.clock.now += 5
        world.links[1].cut = True
        await there.record(BROKEN)
        await world.home.record(Lifted(APP, device(1), "1.0.0"))
        world.links[1].cut = False
        await world.settle()
        await here.record(OFFERED)
        await world.settle()
        assert [node.withheld(device(1)) for node in (here, there, world.home)] == [set()] * 3


async def test_answers_that_are_lost_change_nothing(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, _ = world.regions
        for attempt in range(2):
            await here.record(OFFERED)
            world.clock.now += 30
            await here.record(UNSURE)
            world.clock.now += 30
            for _ in range(3):
                world.links[0].losing = 1
                with pytest.raises(Unavailable):
                    await world.tell(0)
            assert [each.attempts for each in world.home.facts_of(device(1)).failures] == [attempt + 1]
        await world.settle()
        assert world.home.withheld(device(1)) == set()


async def test_a_region_that_lost_its_disk_hears_all_that_matters(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.regions[0].record(OFFERED, BROKEN, Chose(APP, device(2), "beta"))
        await world.settle()
        await world.regions[1].close()
        shutil.rmtree(tmp_path / "r1")
        world.regions[1] = SharingNode(tmp_path / "r1", "r1", world.clock, sends=True)
        await world.hear(1)
        assert world.regions[1].withheld(device(1)) == {ONE}
        assert world.regions[1].facts_of(device(2)).channel == BETA


async def test_a_home_restored_from_a_backup_hears_from_the_regions_what_it_lost(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await here.record(OFFERED, BROKEN)
        await world.settle()
        await world.home.close()
        shutil.copytree(tmp_path / "home", tmp_path / "backup")
        world.home.open()
        await there.record(Chose(APP, device(2), "beta"))
        await world.home.record(Lifted(APP, device(1), "1.0.0"))
        await world.settle()
        await world.home.close()
        shutil.rmtree(tmp_path / "home")
        shutil.copytree(tmp_path / "backup", tmp_path / "home")
        world.home.open()
        assert world.home.withheld(device(1)) == {ONE}
        await world.home.record(Chose(APP, device(3), "production"))  # its numbers go on where others had been
        await world.settle()
        for node in (here, there, world.home):
            assert node.withheld(device(1)) == set()
            assert node.facts_of(device(2)).channel == BETA
            assert node.facts_of(device(3)).channel == PRODUCTION


async def test_a_new_home_hears_everything_from_the_regions(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.regions[0].record(OFFERED, BROKEN, Chose(APP, device(2), "beta"))
        await world.settle()
        await world.home.close()
        shutil.rmtree(tmp_path / "home")
        world.home = SharingNode(tmp_path / "home", "h1", world.clock, sends=False)
        await world.settle()
        assert world.home.withheld(device(1)) == {ONE}
        assert world.home.facts_of(device(2)).channel == BETA


async def test_nothing_is_told_to_the_node_that_brought_it(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.settle()
        await world.regions[0].record(Chose(APP, device(1), "beta"))
        await world.tell(0)
        session, start = (node.journal.register.session.id for node in (world.home, world.regions[0]))
        page = await world.desk.page("r0", session, 0, 0.0, start=start)
        other = await world.desk.page("r1", session, 0, 0.0)
        assert ([row.device for row in page.rows], [row.device for row in other.rows]) == ([], [device(1)])
        posted = len(world.links[0].posted)
        await world.settle()
        assert len(world.links[0].posted) == posted


async def test_a_question_waits_for_news(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.settle()
        session = world.home.journal.register.session.id
        asked = asyncio.create_task(world.desk.page("r0", session, 0, 20.0))
        await asyncio.sleep(0)
        await world.home.record(Chose(APP, device(1), "beta"))
        page = await asyncio.wait_for(asked, 30)
        assert [row.device for row in page.rows] == [device(1)]


async def test_a_question_ends_when_another_process_writes_the_facts(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.settle()
        session = world.home.journal.register.session.id
        asked = asyncio.create_task(world.desk.page("r0", session, 0, 20.0))
        while not world.home.journal.news.next._waiters:
            await asyncio.sleep(0)
        world.desk._journal = lambda: None
        await world.home.restart()
        with pytest.raises(Unavailable, match="moving"):
            await asyncio.wait_for(asked, 30)


async def test_facts_that_home_had_before_there_were_regions_are_told_when_the_device_shows_up(tmp_path):
    async with sharing_world(tmp_path) as world:
        shared, world.home.writer._target._shared = world.home.writer._target._shared, None
        await world.home.record(OFFERED, BROKEN, Chose(APP, device(1), "beta"))
        world.home.writer._target._shared = shared
        world.clock.now += 60
        await world.regions[0].record(OFFERED)
        await world.settle()
        assert world.regions[0].withheld(device(1)) == world.regions[1].withheld(device(1)) == {ONE}
        assert world.regions[1].facts_of(device(1)).channel == BETA


def a_step(chosen):
    """What a device does in a region, or an operator at home."""
    name, bundle = device(chosen.randrange(3)), chosen.choice(["1.0.0", "1.1.0"])
    return chosen.choice(
        [
            [Offered(APP, name, bundle), Failed(APP, name, bundle)],
            [Offered(APP, name, bundle), Downloaded(APP, name, bundle), Installed(APP, name, bundle)],
            [Failed(APP, name, bundle)],
            [Chose(APP, name, chosen.choice(["beta", "production", ""]))],
            [Lifted(APP, name, bundle)],
            [Erased(APP, name)],
        ]
    )


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_all_nodes_come_to_know_the_same(tmp_path, seed):
    chosen = random.Random(seed)
    async with sharing_world(tmp_path, regions=3) as world:
        for _ in range(30):
            world.clock.now += chosen.randrange(1, 90)
            at = chosen.randrange(3)
            step = a_step(chosen)
            node = world.home if isinstance(step[0], Lifted | Erased) else world.regions[at]
            for change in step:
                await node.record(change)
            world.links[at].losing = chosen.randrange(3) == 0
            for work in chosen.sample([world.tell, world.hear], chosen.randrange(3)):
                try:
                    await work(at)
                except Unavailable:
                    continue
            world.links[at].losing = 0
            if chosen.randrange(8) == 0:
                await chosen.choice([world.home, *world.regions]).restart()
        await world.settle()
        states = world.home.states()
        for region in world.regions:
            assert {name: state for name, state in region.states().items() if name in states} == states
            for name, state in states.items():
                assert region.withheld(name) == {each.bundle for each in state.bundles if each.verdict}, name
                assert region.facts_of(name).channel == state.choice.channel
                assert world.home.withheld(name) == region.withheld(name)

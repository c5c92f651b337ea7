"""A region whose disk is put back to an older state, or copied: what it brought about since then is not forgotten, and
nothing that happens from then on is taken for something older."""

import random
import shutil
from collections import defaultdict

import pytest
from facts_world import APP, device
from sharing_world import SharingNode, SharingWorld, sharing_world

from edge.domain.facts import name_hash
from edge.facts.changes import Chose, Failed, Offered

ONE, TWO = name_hash("1.0.0"), name_hash("1.1.0")
CHANNELS = {name: name_hash(name) for name in ("beta", "gamma", "delta", "production")}


async def snapshot(world: SharingWorld, number: int) -> None:
    """Of the stopped region, which goes on."""
    region = world.regions[number]
    await region.close()
    shutil.rmtree(copy_of(region), ignore_errors=True)
    shutil.copytree(region.directory, copy_of(region))
    region.open()


async def put_back(world: SharingWorld, number: int) -> None:
    region = world.regions[number]
    await region.close()
    shutil.rmtree(region.directory)
    shutil.copytree(copy_of(region), region.directory)
    region.open()


def copy_of(region: SharingNode):
    return region.directory.with_name(f"{region.name}.copy")


def offered(number: int, version: str = "1.0.0") -> Offered:
    return Offered(APP, device(number), version, "0.9.0", 5)


def broken(number: int, version: str = "1.0.0") -> Failed:
    return Failed(APP, device(number), version, "update_fail", prefix="10.0.0.0/24")


async def test_failures_after_it_are_judged_though_their_numbers_were_given_before(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await there.record(*(offered(number) for number in range(1, 7)))
        await world.settle()
        await snapshot(world, 0)
        world.clock.now += 60
        await here.record(broken(1), broken(2), broken(3))
        await world.settle()
        await put_back(world, 0)
        await here.record(broken(4), broken(5), broken(6))
        await world.settle()
        for number in range(1, 7):
            assert [node.withheld(device(number)) for node in (here, there, world.home)] == [{ONE}] * 3, number


@pytest.mark.parametrize("restarts", [0, 2])
async def test_what_it_brought_before_is_told_to_it_again(tmp_path, restarts):
    async with sharing_world(tmp_path) as world:
        here, _ = world.regions
        await world.settle()
        await snapshot(world, 0)
        await here.record(offered(1), broken(1), Chose(APP, device(2), "beta"))
        await world.settle()
        await put_back(world, 0)
        assert here.withheld(device(1)) == set()
        for _ in range(restarts):
            await here.restart()
        await world.settle()
        assert here.withheld(device(1)) == {ONE}
        assert here.facts_of(device(2)).channel == CHANNELS["beta"]


@pytest.mark.parametrize("hears_first", [False, True])
@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("forgotten", [("gamma",), ("gamma", "delta"), ("gamma", "delta", "production")])
async def test_a_choice_after_it_comes_later_than_those_it_forgot(tmp_path, forgotten, restarts, hears_first):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await here.record(Chose(APP, device(1), "beta"))
        await world.settle()
        await snapshot(world, 0)
        for channel in forgotten:
            await here.record(Chose(APP, device(1), channel))
            await world.settle()
        await put_back(world, 0)
        await here.record(Chose(APP, device(1), "delta" if forgotten == ("gamma",) else "beta"))
        last = here.facts_of(device(1)).channel
        for _ in range(restarts):
            await here.restart()
        for work in (world.hear, world.tell) if hears_first else (world.tell, world.hear):
            await work(0)
        await world.settle()
        assert [node.facts_of(device(1)).channel for node in (here, there, world.home)] == [last] * 3


async def test_a_choice_that_waited_on_it_is_older_than_the_one_it_forgot(tmp_path):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await world.settle()
        world.links[0].cut = True
        await here.record(Chose(APP, device(1), "beta"))
        await snapshot(world, 0)
        world.links[0].cut = False
        await here.record(Chose(APP, device(1), "gamma"))
        await world.settle()
        await put_back(world, 0)
        await world.settle()
        assert {node.facts_of(device(1)).channel for node in (here, there, world.home)} == {CHANNELS["gamma"]}


async def test_two_nodes_on_copies_of_one_disk_lose_nothing_and_come_to_rest(tmp_path):
    async with sharing_world(tmp_path, regions=1) as world:
        here = world.regions[0]
        await here.record(offered(1), Chose(APP, device(9), "production"))
        await world.settle()
        await snapshot(world, 0)
        twin = SharingNode(copy_of(here), here.name, world.clock, sends=True)
        world.regions.append(twin)
        world.links.append(type(world.links[0])(world.desk, here.name))
        for number, region in ((2, here), (3, twin)):
            await region.record(offered(number), broken(number))
        await here.record(Chose(APP, device(9), "beta"))
        await twin.record(Chose(APP, device(9), "gamma"))
        for _ in range(4):
            await world.settle()
        posted = [len(link.posted) for link in world.links]
        await world.settle()
        assert [len(link.posted) for link in world.links] == posted
        for node in (here, twin, world.home):
            assert [node.withheld(device(number)) for number in (2, 3)] == [{ONE}] * 2
            assert node.facts_of(device(9)).channel == world.home.facts_of(device(9)).channel != 0
        await twin.close()
        world.regions.pop()


class Expected:
    """What devices did, by what of it some node still has: `here` the region's disk, `home` what reached home."""

    def __init__(self):
        self.turn = 0
        self.here, self.copy, self.home = ({}, set()), ({}, set()), ({}, set())

    def choose(self, number, channel):
        self.turn += 1
        self.here[0][number] = (self.turn, channel)

    def fail(self, number, bundle):
        self.here[1].add((number, bundle))

    @staticmethod
    def both(one, other):
        latest = defaultdict(lambda: (0, ""), one[0])
        for number, choice in other[0].items():
            latest[number] = max(latest[number], choice)
        return dict(latest), one[1] | other[1]


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_put_back_what_some_node_knows_stays_known(tmp_path, seed):
    drawn = random.Random(seed)
    async with sharing_world(tmp_path) as world:
        here, expected = world.regions[0], Expected()
        await snapshot(world, 0)
        for _ in range(40):
            world.clock.now += drawn.randrange(1, 90)
            number, bundle = drawn.randrange(1, 4), drawn.choice(["1.0.0", "1.1.0"])
            match drawn.randrange(7):
                case 0 | 1:
                    channel = drawn.choice(list(CHANNELS))
                    await here.record(Chose(APP, device(number), channel))
                    expected.choose(number, channel)
                case 2:
                    await here.record(offered(number, bundle), broken(number, bundle))
                    expected.fail(number, bundle)
                case 3:
                    await world.settle()
                    expected.home = expected.here = expected.both(expected.home, expected.here)
                    expected.here = dict(expected.here[0]), set(expected.here[1])
                case 4:
                    await snapshot(world, 0)
                    expected.copy = dict(expected.here[0]), set(expected.here[1])
                case 5:
                    await put_back(world, 0)
                    expected.here = dict(expected.copy[0]), set(expected.copy[1])
                case _:
                    await here.restart()
        await world.settle()
        await world.settle()
        choices, failures = expected.both(expected.home, expected.here)
        for node in (*world.regions, world.home):
            for number, bundle in failures:
                assert name_hash(bundle) in node.withheld(device(number))
            for number, (_, channel) in choices.items():
                assert node.facts_of(device(number)).channel == CHANNELS[channel], (number, channel)

"""A region's token in wrong hands: what it costs the devices of others, and that it can be seen and undone."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from facts_world import APP, device
from sharing_world import sharing_world

from edge.domain.errors import Unavailable
from edge.domain.facts import HOUR_LIMIT, hour_of, name_hash
from edge.domain.sharing.admitting import SharedKind
from edge.domain.sharing.state import Choice, SharedBundle, SharedFacts, SharedVerdict
from edge.facts.changes import Chose, Elsewhere, Failed, Installed, Offered
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import PREFIX_FAILURES, NodeFailures
from edge.regions.sharing import home as homes
from edge.regions.sharing.budgets import BUDGETS, HOUR_SECONDS, Budget, NodeBudgets
from edge.regions.sharing.messages import FactsBatch, SharedDevice

ONE = name_hash("1.0.0")
FEW = {kind: Budget(10, 10) for kind in SharedKind}


def batch(world, rows=(), evidence=()):
    return FactsBatch(list(rows), "e", 1, list(evidence), world.clock.now)


def withheld_on(world, *numbers, node="r0"):
    verdict = SharedVerdict(7, hour_of(world.clock.now), 1, 0, node)
    state = SharedFacts(bundles=(SharedBundle(ONE, start=verdict),))
    return [SharedDevice(APP, device(number), state, f"10.0.{number}.0/24") for number in numbers]


def test_budgets_fill_again_by_the_hour():
    budgets = NodeBudgets({SharedKind.CHOICE: Budget(2, 3_600)})
    assert [budgets.take("a", SharedKind.CHOICE, 0.0) for _ in range(3)] == [True, True, False]
    assert budgets.take("b", SharedKind.CHOICE, 0.0)
    assert [budgets.take("a", SharedKind.CHOICE, 1.0) for _ in range(2)] == [True, False]
    assert [budgets.take("a", SharedKind.CHOICE, HOUR_SECONDS) for _ in range(3)] == [True, True, False]
    assert budgets.refused == {("a", SharedKind.CHOICE): 3}


def test_erasures_which_nothing_brings_back_have_the_smallest_budget():
    assert BUDGETS[SharedKind.ERASURE] == min(BUDGETS.values())


async def test_what_a_region_brings_of_others_is_bounded_and_bears_its_name(tmp_path):
    async with sharing_world(tmp_path) as world:
        world.desk.budgets = NodeBudgets(FEW)
        taken = await world.desk.take("r0", batch(world, withheld_on(world, *range(30), node="r1")))
        assert taken.refused == 20
        await world.settle()
        withheld = [number for number in range(30) if world.regions[1].withheld(device(number))]
        assert withheld == list(range(10))
        assert {state.of(ONE).start.node for state in world.home.states().values()} == {"r0"}
        assert (await world.desk.take("r1", batch(world, withheld_on(world, 40)))).refused == 0


async def test_forged_failures_in_many_regions_count_as_at_one_node(tmp_path):
    limits = NodeFailures(EventLimits(10_000, 2_000))
    async with sharing_world(tmp_path, limits=limits) as world:
        many = range(int(PREFIX_FAILURES.at_once) // 2 + 100)
        for node in ("r0", "r1"):
            evidence = [Elsewhere(Failed(APP, device(at), "1.0.0", prefix="10.0.0.0/24"), node) for at in many]
            await world.desk.take(node, batch(world, evidence=evidence))
        assert limits.dropped == 200


async def test_a_region_neither_lifts_nor_erases_at_will(tmp_path):
    async with sharing_world(tmp_path) as world:
        world.desk.budgets = NodeBudgets(FEW | {SharedKind.LIFT: Budget(1, 1), SharedKind.ERASURE: Budget(1, 1)})
        offers = [Offered(APP, device(number), "1.0.0") for number in range(8)]
        failures = [Failed(APP, device(number), "1.0.0") for number in range(8)]
        await world.regions[1].record(*offers, *failures)
        await world.settle()
        lifts = [SharedDevice(APP, device(at), SharedFacts(bundles=(SharedBundle(ONE, 1),))) for at in range(4)]
        erasures = [SharedDevice(APP, device(at), SharedFacts(1)) for at in range(4, 8)]
        assert (await world.desk.take("r0", batch(world, lifts + erasures))).refused == 6
        await world.settle()
        assert sum(world.regions[1].withheld(device(at)) == {ONE} for at in range(8)) == 6


@pytest.mark.parametrize("as_rows", [True, False])
async def test_forged_failures_push_out_real_ones_as_rarely_as_a_lift(tmp_path, as_rows):
    async with sharing_world(tmp_path) as world:
        world.desk.budgets = NodeBudgets(BUDGETS | {SharedKind.LIFT: Budget(1, 1)})
        devices = [device(number) for number in range(4)]
        await world.regions[1].record(*(Offered(APP, each, "1.0.0") for each in devices))
        await world.regions[1].record(*(Failed(APP, each, "1.0.0") for each in devices))
        await world.settle()
        verdict, others = SharedVerdict(7, hour_of(world.clock.now), 1, 0, "r0"), ("1.1.0", "1.2.0", "1.3.0")
        bundles = tuple(SharedBundle(name, start=verdict) for name in sorted(map(name_hash, others)))
        rows = [SharedDevice(APP, each, SharedFacts(bundles=bundles)) for each in devices]
        forged = [
            Elsewhere(deed(APP, each, other), at=world.clock.now)
            for each in devices
            for other in others
            for deed in (Offered, Failed)
        ]
        await world.desk.take("r0", batch(world, rows) if as_rows else batch(world, evidence=forged))
        await world.settle()
        for node in (world.home, *world.regions):
            assert sum(ONE in node.withheld(each) for each in devices) >= 3
        assert world.desk.budgets.refused["r0", SharedKind.LIFT] == 3


async def test_evidence_of_one_node_makes_many_downloads_start_over_only_within_the_budget_of_installations(tmp_path):
    async with sharing_world(tmp_path) as world:
        world.desk.budgets = NodeBudgets(BUDGETS | {SharedKind.CLEARING: Budget(1, 1)})
        devices = [device(number) for number in range(4)]
        for _ in range(2):
            await world.home.record(*(Offered(APP, each, "1.0.0") for each in devices))
            await world.home.record(*(Failed(APP, each, "1.0.0", "checksum_fail") for each in devices))
        deeds = [Installed(APP, device(0), "1.0.0"), Installed(APP, device(1), "1.0.0")]
        deeds += [Offered(APP, device(2), "1.0.0", mark=9), Offered(APP, device(3), "1.0.0", mark=9)]
        later = world.clock.now = world.clock.now + 60
        await world.desk.take("r0", batch(world, evidence=[Elsewhere(deed, at=later) for deed in deeds]))
        assert sum(world.home.withheld(each) == {ONE} for each in devices) == 3


async def test_evidence_of_one_node_whose_offers_nobody_knows_leaves_room_for_that_of_others(tmp_path):
    async with sharing_world(tmp_path) as world:
        world.desk.budgets = NodeBudgets(BUDGETS | {SharedKind.WAITING: Budget(2, 1)})
        now = world.clock.now
        for node, first in (("r0", 0), ("r1", 10)):
            failed = [Elsewhere(Failed(APP, device(number), "1.0.0"), at=now) for number in range(first, first + 4)]
            await world.desk.take(node, batch(world, evidence=failed))
        every = [number for first in (0, 10) for number in range(first, first + 4)]
        offered = [Elsewhere(Offered(APP, device(number), "1.0.0"), at=now - 1) for number in every]
        await world.desk.take("r2", batch(world, evidence=offered))
        assert [number for number in every if world.home.withheld(device(number))] == [0, 1, 10, 11]


async def test_a_failure_of_a_later_time_than_now_is_of_now(tmp_path):
    async with sharing_world(tmp_path) as world:
        verdict = SharedVerdict(7, HOUR_LIMIT - 1, 1, 0, "r0")
        bundles = (SharedBundle(1, start=verdict), SharedBundle(2, download=verdict._replace(cause=8)))
        await world.desk.take("r0", batch(world, [SharedDevice(APP, device(1), SharedFacts(bundles=bundles))]))
        assert {each.hour for each in world.home.states()[device(1)].bundles} == {hour_of(world.clock.now)}


async def test_what_nodes_bring_leaves_room_for_the_changes_of_this_ones_devices(tmp_path):
    async with sharing_world(tmp_path) as world:
        record, waiting, most = world.home.record_all, 0, 0

        async def counted(changes):
            nonlocal waiting, most
            brought = sum(isinstance(each, Elsewhere) for each in changes)
            waiting, most = waiting + brought, max(most, waiting + brought)
            try:
                return await record(changes)
            finally:
                waiting -= brought

        world.home.record_all = counted
        many = [Elsewhere(Offered(APP, device(number), "1.0.0"), at=world.clock.now) for number in range(2_500)]
        await asyncio.gather(*(world.desk.take(f"n{number}", batch(world, evidence=many)) for number in range(10)))
        assert most == homes.STEP_CHANGES


async def test_a_node_has_a_few_requests_at_once_and_keeps_no_other_from_asking(tmp_path):
    async with sharing_world(tmp_path) as world, AsyncExitStack() as rooms:
        for _ in range(homes.NODE_AT_ONCE):
            rooms.enter_context(world.desk.room_for("r0"))
        with pytest.raises(Unavailable, match="in progress"), world.desk.room_for("r0"):
            pass
        with world.desk.room_for("r1"):
            pass
    with world.desk.room_for("r0"):
        pass


async def test_what_is_wrong_is_refused_alone(tmp_path, monkeypatch):
    async with sharing_world(tmp_path) as world:
        good = withheld_on(world, 1)[0]
        wrong = [
            SharedDevice("com.other", device(2), good.state),
            SharedDevice(APP, "no device", good.state),
            SharedDevice(APP, device(2).upper(), good.state),
            SharedDevice(APP, device(2), SharedFacts(-1)),
        ]
        evidence = [
            Elsewhere(Offered("com.other", device(2), "1.0.0")),
            Elsewhere(Offered(APP, "x", "1.0.0")),
            Elsewhere(Offered(APP, device(2), "1" * 200)),
            Elsewhere(Failed(APP, device(2), "1.0.0", "no_action")),
            Elsewhere(Failed(APP, device(2), "1.0.0", age=float("nan"))),
            Elsewhere(Offered(APP, device(2), "1.0.0"), at=float("inf")),
            Elsewhere(Offered(APP, device(2), "1.0.0"), era=-1),
            Elsewhere(Offered(APP, device(2), "1.0.0"), lifts=-1),
            *(Elsewhere(Offered(APP, device(2), "1.0.0", mark=mark)) for mark in (-1, 64, 2**50, 2**63 - 1)),
        ]
        assert (await world.desk.take("r0", batch(world, [*wrong, good], evidence))).refused == 16
        assert set(world.home.states()) == {device(1)}


@pytest.mark.parametrize("off", [-3_600.0, 3_600.0])
async def test_a_region_whose_clock_is_wrong_by_an_hour_has_its_evidence_judged_as_others(tmp_path, off):
    async with sharing_world(tmp_path) as world:
        here, there = world.regions
        await there.record(Offered(APP, device(1), "1.0.0"))
        await world.settle()
        here.clock = type(world.clock)(world.clock.now + off)
        await here.restart()
        here.clock.now += 60
        world.clock.now += 60
        await here.record(Failed(APP, device(1), "1.0.0"))
        await world.settle()
        assert there.withheld(device(1)) == {ONE}
        assert abs(off) > homes.CLOCK_STEP_SECONDS


async def test_a_stolen_choice_loses_to_the_devices_next_one(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.regions[1].record(Chose(APP, device(1), "beta"))
        await world.settle()
        forged = SharedDevice(APP, device(1), SharedFacts(choice=Choice(900, "zzzz", name_hash("evil"))))
        await world.desk.take("r0", batch(world, [forged]))
        await world.settle()
        assert world.regions[1].facts_of(device(1)).channel == name_hash("evil")
        await world.regions[1].record(Chose(APP, device(1), "beta"))
        await world.settle()
        assert world.home.facts_of(device(1)).channel == name_hash("beta")


async def test_all_that_a_node_brought_is_taken_back_and_nothing_else(tmp_path):
    async with sharing_world(tmp_path) as world:
        await world.regions[1].record(Offered(APP, device(7), "1.0.0"), Failed(APP, device(7), "1.0.0"))
        await world.regions[1].record(Chose(APP, device(7), "beta"))
        await world.settle()
        chose = SharedDevice(APP, device(3), SharedFacts(choice=Choice(1, "r0", name_hash("evil"))))
        await world.desk.take("r0", batch(world, [*withheld_on(world, 1, 2), chose]))
        await world.settle()
        now = world.clock.now
        assert await world.desk.lift_brought("r0", now - 60, dry_run=True) == (2, 1)
        assert await world.desk.lift_brought("r0", now + 2 * HOUR_SECONDS + 86_400, dry_run=True) == (0, 0)
        assert await world.desk.lift_brought("r0", now - 60, dry_run=False) == (2, 1)
        await world.settle()
        there = world.regions[1]
        assert [there.withheld(device(number)) for number in (1, 2, 7)] == [set(), set(), {ONE}]
        assert [there.facts_of(device(number)).channel for number in (3, 7)] == [0, name_hash("beta")]
        assert (await world.desk.known_of(APP, device(7))).of(ONE).start.node == "r1"
        assert await world.desk.lift_brought("r0", 0.0, dry_run=False) == (0, 0)

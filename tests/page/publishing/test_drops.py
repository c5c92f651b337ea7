"""Whose turn it is, and whose drops are kept: no token holds up another."""

import asyncio

import pytest

from edge.bundles.intake.intake_messages import IntakeDone
from edge.domain.errors import NotFound, Unavailable
from edge.page.publishing.drops import (
    DROPS_LIMIT,
    PACKING_AT_ONCE,
    TOKEN_ARRIVING_LIMIT,
    TOKEN_DROPS_LIMIT,
    Drops,
    DropStage,
)

DONE = IntakeDone(
    content="", zip="", zip_bytes=0, manifest="", plain_bytes=0, blobs=[], entries=[], left_out=[]
)  # of no file


class Bench:
    """Drops whose packing a test lets go on."""

    def __init__(self, folder):
        self.may_end, self.begun = asyncio.Event(), []
        self.drops = Drops(folder, self.pack)

    async def pack(self, source, workdir):
        self.begun.append(source)
        await self.may_end.wait()
        return DONE

    async def drop(self, owner, receive=None):
        async def received(target):
            return {"version": "1.0.0", "file": "a.zip"}

        async def keep(packed):
            pass

        return await self.drops.arrive(owner, "app", 0.0, receive or received, keep)

    async def ready(self, owner):
        self.may_end.set()
        drop = await self.drop(owner)
        await self.drops.settled()
        assert drop.stage is DropStage.READY
        return drop

    def is_kept(self, drop):
        try:
            return self.drops.find(drop.key, drop.owner, "app", 0.0) is drop
        except NotFound:
            return False


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path / "drops")
    yield made
    await made.drops.close()


async def test_silent_uploads_of_one_leave_the_others_room(bench):
    never = asyncio.Event()

    async def silent(target):
        await never.wait()

    held = [asyncio.create_task(bench.drop("loud", silent)) for _ in range(TOKEN_ARRIVING_LIMIT)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="your token's other zips"):
        await bench.drop("loud")
    await bench.ready("other")
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    await bench.ready("loud")


async def test_what_is_packed_for_one_does_not_hold_up_another(bench):
    waiting = [await bench.drop("loud") for _ in range(TOKEN_ARRIVING_LIMIT)]
    other = await bench.drop("other")
    while len(bench.begun) < PACKING_AT_ONCE:
        await asyncio.sleep(0)
    assert {each.parent.name for each in bench.begun} == {waiting[0].key, other.key}
    bench.may_end.set()
    await bench.drops.settled()
    assert all(each.stage is DropStage.READY for each in (*waiting, other))


async def test_a_tokens_oldest_goes_first_and_no_other_ones(bench):
    other = await bench.ready("other")
    own = [await bench.ready("loud") for _ in range(TOKEN_DROPS_LIMIT + 1)]
    assert [bench.is_kept(each) for each in own] == [False, *[True] * TOKEN_DROPS_LIMIT]
    assert bench.is_kept(other)


async def test_of_all_the_one_with_most_gives_way(bench):
    few = [await bench.ready(f"few-{n}") for n in range(DROPS_LIMIT - 3)]
    most = [await bench.ready("most") for _ in range(3)]
    last = await bench.ready("last")
    assert [bench.is_kept(each) for each in most] == [False, True, True]
    assert all(bench.is_kept(each) for each in (*few, last))

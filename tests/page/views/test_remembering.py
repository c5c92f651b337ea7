"""What pages are given again: the same question of such a token, for seconds, while the heads are the same."""

import asyncio

import pytest
from control_world import APP, OTHER, Api

from edge.domain.errors import Unavailable
from edge.page.views.remembering import ANSWERS_LIMIT, REMEMBERED_SECONDS, AnswerMemory

NAME = "show_figures"


class Asked:
    """Counts how often the API was asked; `now` is the memory's clock."""

    def __init__(self):
        self.times, self.now, self.fails = 0, 0.0, False
        self.memory = AnswerMemory(lambda: self.now)

    async def ask(self, key="key", at=100.0):
        async def answer():
            self.times += 1
            await asyncio.sleep(0)
            if self.fails:
                raise Unavailable("busy", "too many")
            return self.times

        return await self.memory.answer(NAME, key, at, answer)


@pytest.fixture
async def asked():
    return Asked()


async def test_the_same_question_is_asked_once_and_says_since_when(asked):
    found = await asyncio.gather(asked.ask(), asked.ask(), asked.ask("other"))
    later = await asked.ask(at=103.0)
    assert asked.times == 2 and found[0] is not found[2] and later == found[0] and later.at == 100.0


async def test_it_is_asked_again_after_its_seconds(asked):
    await asked.ask()
    asked.now = REMEMBERED_SECONDS[NAME]
    assert await asked.ask(at=104.0) == (2, 104.0)


async def test_a_refusal_is_not_remembered(asked):
    asked.fails = True
    for _ in range(2):
        with pytest.raises(Unavailable, match="too many"):
            await asked.ask()
    asked.fails = False
    assert (await asked.ask()).value == 3


async def test_it_does_not_grow(asked):
    for number in range(ANSWERS_LIMIT + 1):
        await asked.ask(number)
    assert (await asked.ask(ANSWERS_LIMIT)).value == ANSWERS_LIMIT + 1, "the last one is known"
    assert (await asked.ask(0)).value == ANSWERS_LIMIT + 2, "the first one is forgotten"


class Counting:
    """The release store, with how often an app's state is read."""

    def __init__(self, releases):
        self.releases, self.reads = releases, 0
        self.read = releases.load_revision
        releases.load_revision = self.load

    def load(self, *about):
        self.reads += 1
        return self.read(*about)


async def test_a_page_that_is_looked_at_again_reads_no_state(root, publish, world):
    await publish("1.0.0", "production")
    await root.get(f"/apps/{APP}")
    counting = Counting(world.releases)
    assert (await root.get(f"/apps/{APP}")).status == 200
    assert counting.reads == 0


async def test_a_change_is_seen_at_once(root, publish):
    await publish("1.0.0", "production")
    assert "1.1.0" not in (await root.get(f"/apps/{APP}/channels/production")).text
    await publish("1.1.0", "production")
    for path in (f"/apps/{APP}", f"/apps/{APP}/channels/production"):
        assert "1.1.0" in (await root.get(path)).text


async def test_what_one_token_saw_is_not_shown_to_another(root, publish):
    await publish("1.0.0", "production")
    await Api(root.client, root.secrets)("POST", "/v1/apps", {"app": OTHER})
    assert OTHER in (await root.get("/")).text
    assert (await root.get(f"/apps/{OTHER}")).status == 200
    await root.sign_in("reader-acme")
    assert OTHER not in (await root.get("/")).text
    assert (await root.get(f"/apps/{OTHER}")).status == 403

"""A node killed while people and tokens change: whatever its documents have of that is in the audit."""

import asyncio
import itertools
import random
from contextlib import suppress

import aiohttp
import pytest

from edge.control.audit.chain.files import AuditFiles, records_of
from edge.control.audit.local import verify_local
from edge.store.objects.fs import FsStore
from tests.drills.telemetry_kills import KilledNode

KILLS = 6
AT_ONCE = 6  # requests
ANSWERS = 40  # at most, until a kill: some of the requests are then between their change and its record


class Changing:
    """Tokens are made and revoked and people added, each under a name of its own, until nobody answers."""

    def __init__(self, node):
        self.node, self.numbers, self.answered = node, itertools.count(), 0
        self.heard = asyncio.Event()
        self.revoked = set()  # names of tokens: by a request that was sent

    async def begin(self, answers):
        """Return once that many requests more were answered. What comes back ends when the node does."""
        token = (self.node.data_dir / "node" / "admin.token").read_text().strip()
        session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        wanted, sending = self.answered + answers, asyncio.create_task(self.send(session))
        while self.answered < wanted:
            assert not sending.done(), await sending
            self.heard.clear()
            await self.heard.wait()
        return sending

    async def send(self, session):
        async with session:
            await asyncio.gather(*(self.one_after_another(session) for _ in range(AT_ONCE)))

    async def one_after_another(self, session):
        with suppress(aiohttp.ClientError, OSError):
            while True:
                name = f"n{next(self.numbers)}"
                await self.ask(session, "POST", "/v1/tokens", {"name": name, "role": "reader"})
                await self.ask(session, "POST", "/v1/people", {"mail": f"{name}@example.com"})
                self.revoked.add(name)
                await self.ask(session, "DELETE", f"/v1/tokens/{name}", None)

    async def ask(self, session, method, path, body):
        async with session.request(method, self.node.control + path, json=body) as response:
            assert response.status in (200, 409), await response.text()  # of so many at once one may find it busy
        self.answered += 1
        self.heard.set()


@pytest.mark.long
async def test_whatever_changed_of_people_and_tokens_is_recorded_whenever_the_node_is_killed(tmp_path):
    dice, killed = random.Random(1), KilledNode(tmp_path, 1)
    changing = Changing(killed.node)
    await killed.start()
    for _ in range(KILLS):
        sending = await changing.begin(dice.randint(1, ANSWERS))
        await killed.kill("node", dice)
        await sending
    tokens = {each["name"] for each in await asyncio.to_thread(killed.node.json, "token", "list")}
    people = {each["mail"] for each in await asyncio.to_thread(killed.node.json, "person", "list")}
    assert await killed.stop() == 0
    node_dir = killed.node.data_dir / "node"
    records = [record for _, content in AuditFiles(node_dir / "audit").read() for record, _ in records_of(content)]
    told = {(each.operation, each.target) for each in records if each.outcome.value in ("done", "unknown")}
    made = [("create_token", f"name={name} role=reader") for name in tokens - {"admin"}]
    added = [("add_person", f"mail={mail}") for mail in people]
    gone = [("revoke_token", f"name={name}") for name in changing.revoked - tokens]
    assert [each for each in (*made, *added, *gone) if each not in told] == []
    assert len(people) > KILLS and not list((node_dir / "audit").glob("*.begun"))
    store = FsStore(killed.node.data_dir / "store")
    assert verify_local(node_dir, store, records[-1].at).verified.faults == []

"""What devices brought about at other nodes, over the control API: who may tell it, and what is no such thing."""

import msgspec
from control_world import NOW

from edge.domain.sharing.state import NOTHING_SHARED
from edge.regions.sharing.messages import FACTS_MEDIA, FactsBatch, SharedDevice

NODE = "00ff00ff00ff00ff"
BATCH = FactsBatch([SharedDevice("com.acme.shop", "x", NOTHING_SHARED)], "e", 1, [], NOW)


async def tell(acme, batch, node=NODE, status=200, by="node"):
    body = batch if isinstance(batch, bytes) else msgspec.msgpack.encode(batch)
    headers = {"Content-Type": FACTS_MEDIA}
    return await acme("POST", f"/v1/feed/facts/{node}", content=body, by=by, status=status, headers=headers)


async def test_a_token_tells_for_one_node(acme):
    assert (await tell(acme, BATCH, status=503)) == "facts_moving"
    assert (await tell(acme, BATCH, node="11ff11ff11ff11ff", status=403)) == "other_node"
    assert (await tell(acme, BATCH, node="homeid", status=403)) == "own_node"
    assert (await tell(acme, BATCH, node=".hidden", status=422)) == "invalid_node"
    heard = await acme("GET", "/v1/feed/facts/11ff11ff11ff11ff", by="node", status=403)
    assert heard == "other_node"


async def test_what_is_no_batch_is_refused(acme):
    batch = msgspec.structs.replace
    for wrong in (
        b"",
        b"\xff" * 9,
        msgspec.msgpack.encode([1, 2]),
        batch(BATCH, rows=BATCH.rows * 3_000),
        batch(BATCH, epoch="e" * 99),
        batch(BATCH, first=-1),
        batch(BATCH, sent_at=float("nan")),
        msgspec.msgpack.encode(BATCH).replace(b"com.acme.shop", b"com.acm\xff.shop"),
    ):
        assert (await tell(acme, wrong, status=400)) == "invalid_facts"
    offered = msgspec.msgpack.encode([[], "e", 1, [["Elsewhere", ["Erased", "com.acme.shop", "x"]]], NOW])
    assert (await tell(acme, offered, status=400)) == "invalid_facts"


async def test_a_place_that_cannot_be_is_refused(acme):
    for query in ("heard=-1", "heard=x", "wait=999", f"session={'s' * 99}"):
        await acme("GET", f"/v1/feed/facts/{NODE}?{query}", by="node", status=422)

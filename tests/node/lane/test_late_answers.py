"""Requests for an app that is known and not loaded yet, at both doors of the device port."""

import asyncio
import json

import pytest
from factories import APP
from test_lane import ANSWER_SECONDS, CHECK, EVENT, LAST, QUESTION, RUNS_IT, answers, doors, get, post, talk

from edge.node.service.snapshots.first_asks import FirstAsks
from edge.store.heads import Head

LATE = "com.example.late"
LATE_CHECK = json.dumps(QUESTION | {"app_id": LATE}).encode()
LATE_EVENT = EVENT.replace(APP.encode(), LATE.encode())
HEAD = Head(1, "0" * 64)
STREAMS = {
    "a check": (post("/updates", LATE_CHECK), 200),
    "a report": (post("/stats", LATE_EVENT), 503),
    "a download": (get(f"/bundles/{LATE}/zip/{'0' * 64}"), 503),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_what_is_not_loaded_in_time_is_answered_alike(tmp_path, name):
    stream, status = STREAMS[name]
    async with doors(tmp_path) as at:
        current = at.shared.service.current
        current.learn({LATE: HEAD})
        current.asks = FirstAsks(0.0)
        by_lane, by_aiohttp = [answers(await talk(port, stream + LAST)) for port in (at.lane, at.plain)]
        assert by_lane == by_aiohttp
        (line, headers, body), *_ = by_lane
        assert int(line.split()[1]) == status
        assert (dict(headers).get(b"retry-after") == b"10") == (status == 503)
        assert b"on_premise_app" not in body
        assert current.asks.first() == LATE


async def test_requests_behind_a_late_one_are_answered_in_order(tmp_path):
    stream = post("/updates", RUNS_IT) + post("/updates", LATE_CHECK) + post("/updates", CHECK, b"Connection: close")
    async with doors(tmp_path) as at:
        service = at.shared.service
        service.current.learn({LATE: HEAD})
        service.current.asks = FirstAsks(ANSWER_SECONDS)
        for port in (at.lane, at.plain):
            talking = asyncio.create_task(talk(port, stream))
            await service.current.asks.arrive(ANSWER_SECONDS)
            assert not talking.done()
            service.current.miss(LATE)
            told = [json.loads(body) for _, _, body in answers(await talking)]
            assert [each.get("error") for each in told] == ["no_new_version_available"] * 2 + [None]
            assert told[-1]["version"] == "1.0.1"
            service.current.unserved.clear()
        assert service.overload.in_progress == 0
        assert service.counts.shed["unserved_checks"] == 2


async def test_a_peer_that_leaves_while_it_waits_costs_nothing_more(tmp_path):
    async with doors(tmp_path) as at:
        service = at.shared.service
        service.current.learn({LATE: HEAD})
        service.current.asks = FirstAsks(ANSWER_SECONDS)
        _, writer = await asyncio.open_connection("127.0.0.1", at.lane)
        writer.write(post("/updates", LATE_CHECK))
        await service.current.asks.arrive(ANSWER_SECONDS)
        writer.close()
        async with asyncio.timeout(ANSWER_SECONDS):
            while service.current.asks.waiting or service.overload.in_progress:
                await asyncio.sleep(0)

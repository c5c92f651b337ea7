"""`POST /events` as browsers meet it."""

import json
import time

import aiohttp
import msgspec
from factories import APP, a_change
from node_world import a_config, a_truth, publish, running

from edge.config import Telemetry
from edge.domain.changes.commands import MakeEventKey
from edge.node.service.limits.event_limits import BURST_SECONDS
from edge.wire.app_events import EVENTS_BODY_LIMIT_BYTES

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
KEY = "pk_" + "a" * 24
BODY = {"app_id": APP, "device_id": DEVICE, "events": [{"name": "cart", "kind": "feature", "time": 1_795_000_000_123}]}
ORIGIN = {"Origin": "https://shop.example"}


async def test_a_page_of_any_origin_may_send_events(tmp_path):
    config, truth = a_config(tmp_path, workers=1), a_truth(tmp_path)
    publish(truth, "1.0.1")
    truth.releases.commit(APP, a_change(MakeEventKey(key=KEY, keep_seconds=0), at=time.time()))
    async with running(config, truth) as (_, address), aiohttp.ClientSession() as session:
        asks = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "edge-key"}
        async with session.options(f"{address}/events", headers=asks) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Access-Control-Allow-Methods"] == "POST"
            assert response.headers["Access-Control-Allow-Headers"] == "Content-Type, Edge-Key"
            assert "Access-Control-Allow-Credentials" not in response.headers
        # As a simple request, which a browser sends without asking first.
        simple = ORIGIN | {"Content-Type": "text/plain;charset=UTF-8"}
        async with session.post(f"{address}/events", data=json.dumps(BODY | {"key": KEY}), headers=simple) as response:
            assert (response.status, await response.json()) == (200, {"status": "ok", "accepted": 1, "refused": []})
            assert response.headers["Access-Control-Allow-Origin"] == "*"
        async with session.post(f"{address}/events", json=BODY, headers=ORIGIN | {"Edge-Key": KEY}) as response:
            assert response.status == 200
        async with session.post(f"{address}/events", json=BODY, headers=ORIGIN) as response:
            assert (response.status, (await response.json())["error"]) == (401, "missing_key")
            assert response.headers["WWW-Authenticate"] == "Edge-Key"
            assert response.headers["Access-Control-Allow-Origin"] == "*"
        async with session.post(f"{address}/events", data=b" " * (EVENTS_BODY_LIMIT_BYTES + 1)) as response:
            assert (response.status, (await response.json())["error"]) == (413, "body_too_large")
        async with session.get(f"{address}/events") as response:
            assert (response.status, (await response.json())["error"]) == (405, "method_not_allowed")


async def test_above_the_limits_the_answer_says_when_to_come_again(tmp_path):
    limits = Telemetry(address_events_per_second=1)
    config, truth = msgspec.structs.replace(a_config(tmp_path, workers=1), telemetry=limits), a_truth(tmp_path)
    body = BODY | {"events": BODY["events"] * (BURST_SECONDS // 3)}
    publish(truth, "1.0.1")
    async with running(config, truth) as (_, address), aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(5):
            async with session.post(f"{address}/events", json=body) as response:
                statuses.append((response.status, response.headers.get("Retry-After")))
    assert statuses == [(200, None)] * 3 + [(429, "60")] * 2

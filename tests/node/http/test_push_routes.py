"""`/push/register`, `/push/unregister` and `/push/opened` as web views of apps meet them."""

import json
import time

import aiohttp
from factories import APP, a_change
from node_world import a_config, a_truth, publish, running

from edge.domain.changes.commands import MakeEventKey
from edge.wire.push.registrations import PUSH_BODY_LIMIT_BYTES

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
KEY = "pk_" + "a" * 24
BODY = {"app_id": APP, "device_id": DEVICE, "provider": "apns", "token": "a1" * 32, "consent": True}
ORIGIN = {"Origin": "capacitor://localhost"}


async def test_an_app_of_any_origin_registers_leaves_and_tells_what_was_opened(tmp_path):
    config, truth = a_config(tmp_path, workers=1), a_truth(tmp_path)
    publish(truth, "1.0.1")
    truth.releases.commit(APP, a_change(MakeEventKey(key=KEY, keep_seconds=0), at=time.time()))
    async with running(config, truth) as (_, address), aiohttp.ClientSession() as session:
        for path in ("register", "unregister", "opened"):
            asks = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "edge-key"}
            async with session.options(f"{address}/push/{path}", headers=asks) as response:
                assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, "*")
                assert response.headers["Access-Control-Allow-Headers"] == "Content-Type, Edge-Key"
            sent = json.dumps(BODY | {"message_id": "m-1"})
            async with session.post(
                f"{address}/push/{path}", data=sent, headers=ORIGIN | {"Edge-Key": KEY}
            ) as response:
                assert (response.status, (await response.json())["status"]) == (200, "ok")
                assert response.headers["Access-Control-Allow-Origin"] == "*"
        async with session.post(f"{address}/push/register", json=BODY, headers=ORIGIN) as response:
            assert (response.status, (await response.json())["error"]) == (401, "missing_key")
            assert response.headers["WWW-Authenticate"] == "Edge-Key"
        async with session.post(f"{address}/push/register", data=b" " * (PUSH_BODY_LIMIT_BYTES + 1)) as response:
            assert (response.status, (await response.json())["error"]) == (413, "body_too_large")
        async with session.get(f"{address}/push/register") as response:
            assert (response.status, (await response.json())["error"]) == (405, "method_not_allowed")

"""Webhooks through the API: for admins, with the secret shown once and the address's path never."""

import json

import pytest
from aiohttp import web
from control_world import APP, NOW
from notices import a_notice

from edge.config import WebhookRules
from edge.messages.messaging import Messaging

URL = "https://hooks.example.com/services/T0/secret"


@pytest.fixture
async def messaging(tmp_path):
    rules = WebhookRules(allow_http=True, allowed_networks=("127.0.0.1",))
    opened = Messaging(tmp_path / "node", rules)
    yield opened
    await opened.outbox.close()


@pytest.fixture
async def calling(serve, messaging):
    return await serve(messaging=messaging)


async def test_a_webhook_is_added_listed_and_removed(calling):
    asked = {"name": "ops", "url": URL, "form": "chat", "apps": [APP], "kinds": ["guard_paused"]}
    made = await calling("POST", "/v1/webhooks", asked)
    assert made.pop("secret").startswith("whsec_")
    assert made == {
        "name": "ops",
        "address": "https://hooks.example.com/…",
        "form": "chat",
        "apps": [APP],
        "kinds": ["guard_paused"],
        "created": NOW,
        "by": "root",
    }
    listed = await calling("GET", "/v1/webhooks")
    assert listed == [made]
    assert "secret" not in json.dumps(listed)
    assert await calling("DELETE", "/v1/webhooks/ops") == {"name": "ops", "removed": True}
    assert await calling("GET", "/v1/webhooks") == []


@pytest.mark.parametrize("by", ["publisher", "reader", "reporter", "node"])
async def test_they_are_for_admins(calling, by):
    assert await calling("GET", "/v1/webhooks", by=by, status=403) == "forbidden"
    assert await calling("POST", "/v1/webhooks", {"name": "ops", "url": URL}, by=by, status=403) == "forbidden"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"url": "http://user@example.com/"}, "invalid_webhook_url"),
        ({"name": "a b"}, "invalid_webhook_name"),
        ({"apps": ["?"]}, "invalid_app_id"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_code(calling, changed, code):
    assert await calling("POST", "/v1/webhooks", {"name": "ops", "url": URL} | changed, status=422) == code


async def test_a_name_that_is_taken_or_unknown_is_refused(calling):
    await calling("POST", "/v1/webhooks", {"name": "ops", "url": URL})
    assert await calling("POST", "/v1/webhooks", {"name": "ops", "url": URL}, status=409) == "webhook_exists"
    for method, path in (("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries")):
        assert await calling(method, f"/v1/webhooks/nobody{path}", status=404) == "unknown_webhook"


async def test_the_test_and_the_deliveries_show_what_the_receiver_says(calling, messaging, aiohttp_server):
    async def refuse(request):
        return web.Response(status=404, text="no such hook")

    app = web.Application()
    app.router.add_post("/", refuse)
    url = f"http://127.0.0.1:{(await aiohttp_server(app)).port}/"
    await calling("POST", "/v1/webhooks", {"name": "ops", "url": url})
    tested = await calling("POST", "/v1/webhooks/ops/test")
    assert tested.pop("milliseconds") >= 0
    assert tested == {
        "name": "ops",
        "delivered": False,
        "status": 404,
        "fault": "it answered 404",
        "answer": "no such hook",
    }
    await messaging.outbox.post(a_notice())
    await messaging.courier.deliver_due()
    (delivery,) = await calling("GET", "/v1/webhooks/ops/deliveries")
    assert delivery["next"] > delivery["last"] >= delivery["posted"]
    assert (delivery["id"], delivery["kind"], delivery["state"]) == ("n1", "guard_paused", "waiting")
    assert (delivery["attempts"], delivery["status"], delivery["fault"]) == (1, 404, "it answered 404")

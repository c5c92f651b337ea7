"""A message from the command line to a receiver of one's own, through a node: registered, counted, sent, opened."""

import asyncio
import json
import urllib.request

import pytest
from push.webhook_double import PushReceiver
from running_node import serving_node

APP = "com.example.app"
ALLOWED = {"EDGE_PUSH_ALLOW_HTTP": "true", "EDGE_PUSH_ALLOWED_NETWORKS": "127.0.0.1,::1"}


def device_id(number):
    return f"{number:08x}-eefe-490a-9c60-8e965132ae51"


def post(node, path, **said):
    body = json.dumps({"app_id": APP, "device_id": device_id(0)} | said).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{node.devices}{path}", body)) as answer:
        return answer.status


async def until(ask, wanted):
    """What `ask` says once it is as wanted. The folding process counts every ten seconds."""
    while not wanted(found := await asyncio.to_thread(ask)):
        await asyncio.sleep(0.2)
    return found


@pytest.mark.long
async def test_a_message_goes_from_the_command_line_to_the_devices(tmp_path):
    receiver = PushReceiver()
    await receiver.start()
    serving = serving_node(tmp_path, **ALLOWED)
    node = await asyncio.to_thread(serving.__enter__)
    try:
        await asyncio.to_thread(node.text, "app", "create", APP)
        made = await asyncio.to_thread(node.json, "push", "credentials", "set", APP, "webhook", receiver.url)
        receiver.secret = made["secret"]
        for number in range(6):
            said = {"device_id": device_id(number), "provider": "webhook", "token": f"t!{number}", "consent": True}
            assert await asyncio.to_thread(post, node, "/push/register", **said) == 200
        await asyncio.to_thread(post, node, "/push/unregister", device_id=device_id(5))

        def preview():
            return node.json("message", "preview", APP, "--title", "Hello")

        assert (await until(preview, lambda found: found["planned"] == 5))["tokens"] == {"webhook": 5}
        refused = await asyncio.to_thread(node.failure, "message", "create", APP, "--title", "Hello", "--yes", "50")
        assert "5 devices, not 50" in refused
        words = ("--title", "Hello", "--title", "de=Hallo", "--body", "pt-BR=x=y")
        made = await asyncio.to_thread(node.json, "message", "create", APP, *words, "--yes", "5")
        shown = await asyncio.to_thread(node.json, "message", "show", APP, made["message"])
        (text,) = shown["line"]["texts"]
        assert text["title"] == "Hello"
        assert text["locales"] == {"de": {"title": "Hallo", "body": ""}, "pt-br": {"title": "", "body": "x=y"}}
        shown = ("message", "show", APP, made["message"])
        found = await until(lambda: node.json(*shown), lambda found: found["line"]["sends"].get("sent") == 5)
        assert found["codes"] == [] and receiver.seen.faults == []
        assert receiver.seen.taken == {f"t!{number}": 1 for number in range(5)}
        assert {each["title"] for each in receiver.seen.received} == {"Hello"}
        assert await asyncio.to_thread(post, node, "/push/opened", message_id=made["message"]) == 200
        done = await until(lambda: node.json("message", "list", APP), lambda f: f["messages"][0]["state"] == "done")
        assert done["begun_today"] == 5
        assert "is done" in await asyncio.to_thread(node.failure, "message", "cancel", APP, made["message"])
        assert f"{APP} sends at most 100,000 messages a day" in await asyncio.to_thread(
            node.text, "message", "cap", APP
        )
        text = await asyncio.to_thread(node.text, "message", "list", APP)
        assert "5 registered devices (5 webhook); 5 of 100,000 sends begun today (UTC)" in text
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
        await receiver.close()

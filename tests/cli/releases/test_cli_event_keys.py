"""`edge app key`: made, rotated, shown and removed on a node, whose workers ask for it."""

import json
import urllib.error
import urllib.request

import pytest
from running_node import app_name

EVENT = {"name": "cart", "kind": "feature", "time": 1_795_000_000_123}


def send(node, app, key=None):
    """The status, and the error if there is one."""
    body = {"app_id": app, "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51", "events": [EVENT]}
    headers = {"Edge-Key": key} if key else {}
    request = urllib.request.Request(f"{node.devices}/events", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer).get("error")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]


@pytest.mark.long
def test_a_key_is_made_rotated_shown_and_removed(node, request):
    app = app_name(request)
    node.text("app", "create", app)
    assert send(node, app) == (200, None)
    (first,) = node.json("app", "key", "make", app)["event_keys"]
    assert first["until"] is None
    assert send(node, app) == (401, "missing_key")
    assert send(node, app, first["key"]) == (200, None)
    former, second = node.json("app", "key", "make", app, "--keep", "2d")["event_keys"]
    assert (former["key"], former["until"]) == (first["key"], second["made"] + 2 * 86_400)
    assert send(node, app, first["key"]) == send(node, app, second["key"]) == (200, None)
    shown = node.text("app", "show", app)
    assert shown.index(second["key"]) < shown.index(first["key"])
    assert node.json("app", "show", app)["event_keys"] == [former, second]
    (third,) = node.json("app", "key", "make", app, "--keep", "0s")["event_keys"]
    assert send(node, app, second["key"]) == (403, "wrong_key")
    assert send(node, app, third["key"]) == (200, None)
    assert node.text("app", "key", "remove", app) == f"{app} takes events without a key\n"
    assert send(node, app) == (200, None)
    assert "exceeds the limit of 366d" in node.failure("app", "key", "make", app, "--keep", "367d")
    assert "event key" not in node.text("app", "show", app)


def test_an_unknown_app_is_named_as_everywhere(node):
    assert node.failure("app", "key", "make", "com.nope") == "unknown app 'com.nope'"


def test_the_newest_key_is_taken_for_a_time_after_the_next(node, request):
    app = app_name(request)
    node.text("app", "create", app)
    assert "--keep (30d) after the next is made" in node.text("app", "key", "make", app)

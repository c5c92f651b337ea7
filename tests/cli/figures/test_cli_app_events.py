"""An app's own events and the team's outcomes, from the ports of a node to `edge stats`: a resend counts once."""

import json
import time
import urllib.request

import pytest
from running_node import app_name

ONE, OTHER = (f"00009a6b-eefe-490a-9c60-8e965132ae5{end}" for end in "12")


def send(node, app, device, *events, **more):
    body = {"app_id": app, "device_id": device, "platform": "web", "events": list(events)} | more
    request = urllib.request.Request(f"{node.devices}/events", json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["accepted"]


def figures(listed, *names):
    return {each["name"]: tuple(each[name]["value"] for name in names) for each in listed}


@pytest.mark.long
def test_events_and_outcomes_become_figures_and_what_comes_again_counts_once(node, request, tmp_path):
    app, now = app_name(request), int(time.time())
    node.text("app", "create", app)
    bought = {"name": "checkout", "kind": "purchase", "time": now * 1000, "value": 9.5}
    opened = {"name": "cart", "kind": "feature", "time": now * 1000 + 1}
    for _ in range(2):
        assert send(node, app, ONE, bought, opened, custom_id="user-7") == 2
    assert send(node, app, OTHER, opened) == 1
    tickets = tmp_path / "tickets.csv"
    rows = (
        f"ticket,{ONE},,{now - 100},,T-1",
        f"revenue,,user-7,{now - 50},40,R-1",
        f"ticket,,nobody,{now - 50},,T-2",
    )
    tickets.write_text("\n".join(("name,device,custom_id,time,value,id", *rows)))
    for _ in range(2):
        node.text("outcome", "import", app, tickets)
    found = node.json("stats", app)
    assert figures(found["features"], "events", "devices", "value") == {"checkout": (1, 1, 9.5), "cart": (2, 2, 0)}
    assert figures(found["outcomes"], "events", "unmatched") == {"ticket": (1, 1), "revenue": (1, 0)}
    assert "it adds up" in node.text("telemetry", "audit")

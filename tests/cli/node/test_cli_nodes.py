"""`edge node` on a real node that another one reports to."""

import msgspec
import pytest

from edge.cli.terminal.client import ControlClient
from edge.regions.fleet.node_report import NodeReport, SourceReport

REPORT = NodeReport(
    region="us",
    role="region",
    version="2.0.0",
    python="3.11.2",
    changes=7,
    apps=2,
    workers=2,
    workers_ready=1,
    running_seconds=60.0,
    refused={"bad_signature": 3},
    source=SourceReport(name="https://origin.example.com", verified_seconds=8.0),
    disk_free_bytes=50 * 10**9,
    disk_total_bytes=200 * 10**9,
)


@pytest.fixture
def reporting(node):
    secret = node.json("token", "create", "us-1", "--role", "node")["token"]
    client = ControlClient(node.control, secret)
    client.post("/v1/feed/nodes/a5a5", msgspec.to_builtins(REPORT))
    client.close()
    yield
    node.run("node", "forget", "us-1")
    node.run("token", "revoke", "us-1")


def test_nodes_are_listed_with_what_needs_a_look(node, reporting):
    listed = node.text("node", "list")
    assert "(this node)" in listed.splitlines()[1]
    assert "us-1" in listed.splitlines()[2] and "r7" in listed and "75% used of 200.0 GB" in listed
    assert "needs a look" in listed and "us-1: 1 of 2 workers do not answer" in listed
    own, other = node.json("node", "list")
    assert (own["own"], own["condition"], other["report"]["refused"]) == (True, "well", {"bad_signature": 3})


def test_the_own_report_is_of_the_real_node(node):
    (own,) = [each for each in node.json("node", "list") if each["own"]]
    report = own["report"]
    assert report["workers"] == report["workers_ready"] >= 1
    assert report["disk_total_bytes"] > report["disk_free_bytes"] > 0
    assert report["version"] and report["python"].startswith("3.") and report["source"] is None


def test_one_node_is_shown_and_forgotten(node, reporting):
    shown = node.text("node", "show", "us-1")
    for words in ("a5a5", "bad_signature 3", "https://origin.example.com", "signed 8 s ago", "1 of 2 answer", "2.0.0"):
        assert words in shown
    gone = node.run("node", "forget", "us-1")
    assert gone.stdout.strip() == "forgot node us-1 (a5a5)" and "edge token revoke us-1" in gone.stderr
    assert "unknown node 'us-1'" in node.failure("node", "show", "us-1")

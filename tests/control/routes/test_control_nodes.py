"""Nodes report through the API and are listed, each by its own token."""

import pytest

REPORT = {"region": "us", "version": "2.0.0", "changes": 0, "workers": 1, "workers_ready": 1}


async def report(acme, body=REPORT, *, node="a5a5", by="node", status=200):
    return await acme("POST", f"/v1/feed/nodes/{node}", body, by=by, status=status)


async def test_a_report_is_welcomed_with_the_name_and_the_key_of_networks(acme):
    assert await report(acme) == {"name": "node", "net_key": "key", "trouble": ""}
    home, node = await acme("GET", "/v1/nodes", by="reader")
    assert (home["name"], home["own"], home["region"]) == ("home", True, "eu")
    assert (node["name"], node["node"], node["region"], node["own"]) == ("node", "a5a5", "us", False)
    assert node["report"]["version"] == "2.0.0"
    assert await acme("GET", "/v1/nodes/node") == await acme("GET", "/v1/nodes/a5a5")


async def test_a_token_cannot_report_for_a_second_node(acme):
    await report(acme)
    assert await report(acme, node="b6b6", status=403) == "other_node"
    assert await report(acme, by="root", status=403) == "other_node"


@pytest.mark.parametrize("by", ["publisher", "uploader", "reader", "reporter", "reader-acme"])
async def test_only_nodes_report(acme, by):
    assert await report(acme, by=by, status=403) == "forbidden"


@pytest.mark.parametrize(
    "said",
    [
        {"region": "a b"},
        {"version": "x" * 257},
        {"load": -1},
        {"apps": 2**60},
        {"refused": {"<script>": 1}},
        {"refused": {f"code_{n}": 1 for n in range(33)}},
        {"source": {"name": "x" * 257}},
        {"clock": 1e300},
    ],
)
async def test_a_forged_report_is_refused_and_leaves_no_row(acme, said):
    assert await report(acme, REPORT | said, status=422) == "invalid_body"
    assert len(await acme("GET", "/v1/nodes")) == 1


async def test_a_large_report_is_refused(acme):
    assert await report(acme, REPORT | {"unknown": "x" * 20_000}, status=413) == "body_too_large"


async def test_what_a_newer_release_says_more_is_skipped(acme):
    await report(acme, REPORT | {"mood": "good"})
    assert "mood" not in (await acme("GET", "/v1/nodes/node"))["report"]


async def test_a_node_is_forgotten_by_admins(acme):
    await report(acme)
    assert await acme("DELETE", "/v1/nodes/node", by="publisher", status=403) == "forbidden"
    assert await acme("DELETE", "/v1/nodes/node") == {"node": "a5a5", "name": "node", "forgotten": True}
    assert await acme("GET", "/v1/nodes/node", status=404) == "unknown_node"
    assert await report(acme, node="b6b6") == {"name": "node", "net_key": "key", "trouble": ""}

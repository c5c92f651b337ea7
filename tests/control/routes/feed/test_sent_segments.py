"""Segments of other nodes over the control API: what a token may send, and what of it is refused."""

import pytest
import zstandard
from control_world import NOW as AT
from sending_world import NODE
from telemetry_lines import NOW, line

from edge.telemetry.spool.segment import SegmentWriter

SEGMENT = f"{NODE}-0-{int(NOW * 1000)}"
KEPT_BYTES = {"offset": 0, "whole": False}


@pytest.fixture
def content(tmp_path):
    """The name and the bytes of a segment."""
    writer = SegmentWriter(tmp_path, NODE, 0, now=NOW)
    writer.append([line()])
    writer.append([line(version="1.0.1")])
    return writer.path.stem, writer.path.read_bytes()


async def put(acme, name, body, *, query="offset=0", node=NODE, by="node", status=200, packed=True):
    body = zstandard.ZstdCompressor().compress(body) if packed else body
    return await acme("PUT", f"/v1/feed/segments/{node}/{name}?{query}", content=body, by=by, status=status)


async def test_a_segment_is_taken_and_its_repeat_changes_nothing(acme, content):
    name, plain = content
    taken = await put(acme, name, plain)
    assert (taken["offset"], taken["whole"], taken["hurry"]) == (len(plain), False, False)
    assert taken == await put(acme, name, plain)
    assert (await put(acme, name, b"", query=f"offset={len(plain)}&whole=true"))["whole"]
    assert (await put(acme, name, plain))["whole"]
    known = await acme("POST", f"/v1/feed/segments/{NODE}", {"names": [name, f"{SEGMENT}-00000000"]}, by="node")
    assert known["segments"] == [{"offset": len(plain), "whole": True}, KEPT_BYTES]


async def test_a_hole_is_not_filled(acme, content):
    name, plain = content
    assert (await put(acme, name, plain, query="offset=500"))["offset"] == 0


async def test_a_token_sends_for_one_node(acme, content):
    name, plain = content
    await put(acme, name, plain)
    assert await put(acme, name, plain, node="b6b6", status=403) == "other_node"
    assert await put(acme, name.replace(NODE, "b6b6"), plain, status=403) == "other_node"
    assert await put(acme, name.replace(NODE, "homeid"), plain, node="homeid", status=403) == "other_node"
    assert await put(acme, name, plain, by="reader", status=403) == "forbidden"


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "regionid-0-1-zz", "regionid-0-1", "regionid-0-1-00000000.seg", "x"])
async def test_a_name_that_no_writer_makes_is_refused(acme, content, name):
    assert await put(acme, name, content[1], status=422) == "invalid_segment"


async def test_what_is_no_row_of_whole_frames_is_refused(acme, content):
    name, plain = content
    for body in (plain[:-1], plain[1:], plain + b"\0", b"{}\n", plain.replace(b"1.0.1", b"1.0.2")):
        assert await put(acme, name, body, status=422) == "bad_segment"
    assert await put(acme, name, b"no zstd", packed=False, status=422) == "bad_segment"
    newer = plain.replace(b'"format":3', b'"format":9')
    assert await put(acme, name, newer, status=422) == "newer_segment"
    assert await put(acme, name.replace("-0-", "-1-"), plain, status=422) == "bad_segment"


async def test_a_body_that_says_that_it_is_huge_is_refused(acme, content):
    bomb = zstandard.ZstdCompressor().compress(bytes(64 << 20))
    assert await put(acme, content[0], bomb, packed=False, status=413) == "segment_too_large"
    assert await put(acme, content[0], content[1], query="offset=0&lost=134217728", status=413) == "segment_too_large"
    assert await put(acme, content[0], content[1], query="offset=999999999", status=422) == "invalid_offset"


async def test_what_a_newer_node_says_more_is_skipped(acme):
    said = {"region": "us", "until_ms": 0, "now_ms": int(AT * 1000), "mood": "good"}
    await acme("POST", f"/v1/feed/sent/{NODE}", said, by="node")


async def test_until_when_all_is_here_is_noted_with_the_region(acme):
    said = {"region": "us", "until_ms": int((AT - 5) * 1000), "now_ms": int(AT * 1000)}
    assert await acme("POST", f"/v1/feed/sent/{NODE}", said, by="node") == {
        "at_ms": int(AT * 1000),
        "hurry": False,
        "erasures": [],
    }
    assert (await acme("GET", "/v1/nodes/node"))["region"] == "us"
    assert (
        await acme("POST", f"/v1/feed/sent/{NODE}", said | {"region": "a b"}, by="node", status=422) == "invalid_body"
    )

"""What changes on an open page: which values, within which limits, and until when."""

import msgspec
import pytest

from edge.page.live import (
    EVENT_LIMIT_BYTES,
    SESSION_STREAMS_LIMIT,
    TOKEN_STREAMS_LIMIT,
    Look,
    events_between,
    parse_look,
)


def decoded(events):
    found = []
    for each in events:
        kind, _, value = each.decode().removeprefix("event: ").partition("\ndata: ")
        found.append((kind, msgspec.json.decode(value.strip())))
    return found


def test_values_of_a_page_are_found_by_name():
    page = b'<body data-trouble="2"><dd class="v" data-live="offered">187</dd><p>no</p><b data-live="x">a <i>b</i></b>'
    assert parse_look(page) == Look({"offered": "187", "x": "a <i>b</i>"}, 2)


def test_only_what_changed_is_sent_and_the_time():
    before, after = Look({"a": "1", "b": "2"}, 0), Look({"a": "1", "b": "3", "new": "4"}, 1)
    assert decoded(events_between(before, after, "14:00:00")) == [
        ("values", {"b": "3"}),
        ("trouble", {"now": 1, "before": 0}),
        ("time", {"clock": "14:00:00"}),
    ]


def test_the_first_look_sends_the_time_alone():
    assert decoded(events_between(None, Look({"a": "1"}, 3), "14:00:00")) == [("time", {"clock": "14:00:00"})]


def test_no_event_is_larger_than_its_limit():
    before = Look({f"v{n}": "" for n in range(50)} | {"huge": ""}, 0)
    after = Look({f"v{n}": "x" * 300 for n in range(50)} | {"huge": "x" * 5_000}, 0)
    events = events_between(before, after, "14:00:00")
    assert all(len(each) <= EVENT_LIMIT_BYTES for each in events)
    sent = [value for kind, value in decoded(events) if kind == "values"]
    assert {name for value in sent for name in value} == {f"v{n}" for n in range(50)}


async def opened(browser, page="/"):
    cookie = {"Cookie": f"edge_session={browser.cookie}"}
    return await browser.client.get(f"/live?page={page}", headers=cookie)


async def test_a_stream_begins_with_the_time_of_the_page(root):
    async with await opened(root) as stream:
        assert stream.content_type == "text/event-stream"
        assert (await stream.content.readline()) == b"event: time\n"


async def test_a_stream_ends_at_sign_out(root):
    async with await opened(root) as stream:
        await stream.content.readuntil(b"\n\n")
        await root.post("/logout", {})
        assert b"event: gone" in await stream.content.read()


async def test_streams_of_a_session_are_limited(root):
    held = [await opened(root) for _ in range(SESSION_STREAMS_LIMIT)]
    assert (await root.get("/live?page=/")).status == 204, "a browser asks no more, and keeps no connection"
    for each in held:
        each.close()


async def test_a_token_with_many_sessions_leaves_the_others_room(browser):
    held = []
    for n in range(TOKEN_STREAMS_LIMIT):
        if n % SESSION_STREAMS_LIMIT == 0:
            await browser.sign_in("reader")
        held.append(await opened(browser))
    await browser.sign_in("reader")
    assert [each.status for each in held] == [200] * TOKEN_STREAMS_LIMIT
    assert (await browser.get("/live?page=/")).status == 204
    await browser.sign_in("root")
    async with await opened(browser) as stream:
        assert stream.status == 200
    for each in held:
        each.close()


async def test_what_is_asked_for_without_a_body_holds_no_stream(root):
    assert (await root.head("/live?page=/")).status == 404


@pytest.mark.parametrize("page", ["/login", "/nothing", "//evil.example/", "", "/apps/a/acts/undo"])
async def test_a_stream_is_about_a_page_that_changes(root, page):
    stream = await opened(root, page)
    assert stream.status == (200 if page in ("", "//evil.example/", "/login") else 404)
    stream.close()


async def test_nobody_who_is_not_signed_in_gets_a_stream(browser):
    assert (await browser.get("/live?page=/")).status == 403

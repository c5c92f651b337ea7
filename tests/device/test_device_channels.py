"""The channel calls of an app: what is sent, what is kept where, and what a refusal comes to (PROTOCOL.md §3)."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

CHANNELS = [{"id": 1, "name": "beta", "public": False, "allow_self_set": True}]


class ChannelServer:
    def __init__(self):
        self.asked = []  # (method, body or query)
        self.answer = (200, {"status": "ok"})

    async def handle(self, request):
        self.asked.append((request.method, await request.json() if request.can_read_body else dict(request.query)))
        status, body = self.answer
        return web.json_response(body, status=status)


@pytest.fixture
async def server():
    handler = ChannelServer()

    async def handle(request):
        return await handler.handle(request)

    app = web.Application()
    app.router.add_route("*", "/channel_self", handle)
    async with TestServer(app) as running:
        handler.url = str(running.make_url("/channel_self"))
        yield handler


async def test_a_choice_is_kept_on_the_device_and_named_in_its_checks(world, server, tmp_path):
    device = world.device("android", "8.51.23", tmp_path, channel_url=server.url)
    assert (await device.call("setChannel", channel="beta")).error == ""
    assert (server.asked[0][0], server.asked[0][1]["channel"]) == ("POST", "beta")
    relaunched = world.device("android", "8.51.23", tmp_path, channel_url=server.url)
    await relaunched.check_and_update()
    assert world.asked[-1]["defaultChannel"] == "beta"
    await relaunched.call("unsetChannel")
    await relaunched.check_and_update()
    assert world.asked[-1]["defaultChannel"] == "" and len(server.asked) == 1


async def test_an_old_release_leaves_its_choice_with_the_server(world, server, tmp_path):
    device = world.device("android", "7.27.8", tmp_path, channel_url=server.url)
    await device.call("setChannel", channel="beta")
    await device.call("unsetChannel")
    assert [method for method, _ in server.asked] == ["POST", "DELETE"]
    assert server.asked[1][1]["device_id"] == device.identity.device_id
    await device.check_and_update()
    assert world.asked[-1]["defaultChannel"] == ""


@pytest.mark.parametrize(("release", "kept"), [("8.46.1", ""), ("8.49.1", "beta"), ("7.50.2", "beta"), ("7.45.10", "")])
async def test_newer_releases_keep_the_channel_that_they_were_told(world, server, tmp_path, release, kept):
    server.answer = (200, {"channel": "beta", "status": "default"})
    device = world.device("android", release, tmp_path, channel_url=server.url)
    assert (await device.call("getChannel")).value["channel"] == "beta"
    assert (server.asked[0][0], device.state.channel) == ("PUT", kept)


async def test_a_reply_can_take_the_choice_back(world, server, tmp_path):
    for release, kept in (("8.42.5", "production"), ("8.42.6", "")):
        device = world.device("android", release, tmp_path / release, channel_url=server.url)
        await device.call("setChannel", channel="beta")
        server.answer = (200, {"status": "ok", "unset": True})
        await device.call("setChannel", channel="production")
        assert device.state.channel == kept
        server.answer = (200, {"status": "ok"})


async def test_the_list(world, server, tmp_path):
    server.answer = (200, CHANNELS)
    device = world.device("android", "8.51.23", tmp_path, channel_url=server.url)
    assert (await device.call("listChannels")).value == {"channels": CHANNELS}
    assert (server.asked[0][0], server.asked[0][1]["is_prod"]) == ("GET", "true")
    older = world.device("android", "7.4.0", tmp_path, channel_url=server.url)
    assert (await older.call("listChannels")).error == "not_implemented"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"error": "channel_not_found", "message": "x"}, "channel_not_found"),
        (400, {"error": "channel_not_found"}, "response_error"),
        (429, {}, "rate_limit_exceeded"),
    ],
)
async def test_refusals_change_nothing(world, server, tmp_path, status, body, error):
    server.answer = (status, body)
    device = world.device("android", "8.51.3", tmp_path, channel_url=server.url)
    assert (await device.call("setChannel", channel="beta")).error == error
    assert device.state.channel == ""


@pytest.mark.parametrize(
    ("platform", "release", "error"),
    [
        ("android", "6.14.26", "channel_not_found"), ("android", "6.14.28", "server_error"),
        ("android", "6.25.4", "server_error"), ("android", "6.25.5", "channel_not_found"),
        ("android", "7.4.0", "channel_not_found"), ("android", "7.6.0", "server_error"),
        ("android", "7.27.4", "server_error"), ("android", "7.27.5", "channel_not_found"),
        ("ios", "7.25.0", "channel_not_found"),
    ],
)  # fmt: skip
async def test_some_android_releases_keep_the_code_of_a_refusal_from_the_app(
    world, server, tmp_path, platform, release, error
):
    server.answer = (200, {"error": "channel_not_found", "message": "x"})
    device = world.device(platform, release, tmp_path, channel_url=server.url)
    calls = ["setChannel", "getChannel", *(["listChannels"] if device.profile.lists_channels else [])]
    assert {(await device.call(method)).error for method in calls} == {error}


async def test_one_429_silences_the_checks_of_a_latching_release_too(world, server, tmp_path):
    server.answer = (429, {})
    device = world.device("android", "8.51.3", tmp_path, channel_url=server.url)
    await device.call("setChannel", channel="beta")
    await device.check_and_update()
    assert world.asked == []
    assert (await device.call("getChannel")).error != "" and len(server.asked) == 1

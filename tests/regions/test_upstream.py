"""The node above, as it should not be: every failure ends, has the right kind, and is said in words."""

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from certificates import a_certificate
from multidict import CIMultiDict

from edge.domain.errors import Invalid, NotFound, TooLarge
from edge.regions.source import SourceLost, SourceRefuses
from edge.regions.upstream import Upstream, parse_node_address


class Above:
    """Answers by `answer`, a function from the request; sees which requests came."""

    def __init__(self):
        self.seen = []
        self.answer = lambda request: web.json_response({})

    async def handle(self, request):
        self.seen.append((request.method, request.path_qs, CIMultiDict(request.headers), await request.read()))
        answered = self.answer(request)
        return await answered if asyncio.iscoroutine(answered) else answered


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("edge_first\n")
    return file


@pytest.fixture
async def above(aiohttp_server, token_file):
    made = Above()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.handle)
    server = await aiohttp_server(app)
    made.url = f"http://127.0.0.1:{server.port}"
    made.upstream = Upstream(made.url, token_file)
    yield made
    await made.upstream.close()


def refusing(status, code="because", **headers):
    return lambda request: web.json_response({"error": code, "message": "it\nis so"}, status=status, headers=headers)


async def test_a_success_is_given_whole(above):
    above.answer = lambda request: web.Response(body=b"x" * 300_000, status=202, headers={"Mark": "1"})
    answer = await above.upstream.request("PUT", "/v1/a/b%2Fc", query={"offset": "1"}, body=b"body", headers={"A": "b"})
    assert (answer.status, answer.content, answer.headers["mark"]) == (202, b"x" * 300_000, "1")
    ((method, path, headers, body),) = above.seen
    assert (method, path, body) == ("PUT", "/v1/a/b%2Fc?offset=1", b"body")
    assert (headers["Authorization"], headers["A"]) == ("Bearer edge_first", "b")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, SourceRefuses), (403, SourceRefuses), (404, NotFound), (413, TooLarge), (422, Invalid), (503, SourceLost)],
)
async def test_a_refusal_keeps_the_other_nodes_code(above, status, kind):
    above.answer = refusing(status)
    with pytest.raises(kind) as raised:
        await above.upstream.request("GET", "/v1/x")
    assert (raised.value.code, raised.value.message) == ("because", f"{above.url}: it is so")


async def test_no_redirect_is_followed(above):
    above.answer = lambda request: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    with pytest.raises(SourceRefuses, match="redirects, which is not followed"):
        await above.upstream.request("GET", "/v1/x")
    assert len(above.seen) == 1


async def test_a_device_port_is_named_as_such(above):
    above.answer = refusing(404, **{"Access-Control-Allow-Origin": "*"})
    with pytest.raises(SourceRefuses, match="is a node's device port: use its control port"):
        await above.upstream.request("GET", "/v1/x")


async def test_a_node_without_a_feed_is_named_as_such(above):
    above.answer = refusing(404)
    with pytest.raises(SourceRefuses, match="has no feed: its release is too old to be followed; upgrade it first"):
        await above.upstream.request("POST", "/v1/feed/documents")


async def test_what_is_no_node_is_named_as_such(above):
    above.answer = lambda request: web.Response(status=500, text="<html>")
    with pytest.raises(SourceLost, match="is it a node's control port"):
        await above.upstream.request("GET", "/v1/x")


async def test_an_endless_answer_ends_at_the_limit(above):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    above.answer = endless
    with pytest.raises(SourceLost, match="exceeds 100000 bytes"):
        await above.upstream.request("GET", "/v1/x", limit_bytes=100_000)


@asynccontextmanager
async def silent_after(content):
    """The address of a server that says this to each request, and then nothing."""
    held = []

    async def serve(reader, writer):
        held.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in held:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"])
async def test_silence_ends(said, token_file):
    async with silent_after(said) as url:
        upstream = Upstream(url, token_file)
        with pytest.raises(SourceLost):
            await upstream.request("GET", "/v1/x", seconds=0.05)
        await upstream.close()


async def test_a_stream_that_falls_silent_is_lost(token_file):
    async with silent_after(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") as url:
        upstream, heard = Upstream(url, token_file), []
        with pytest.raises(SourceLost, match="did not answer in time"):
            async with upstream.stream("GET", "/v1/x", silence_seconds=0.05) as answer:
                heard += [piece async for piece in answer.pieces()]
        await upstream.close()


@pytest.mark.parametrize("said", [b"\x15\x03\x01 no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"a" * 99_999])
async def test_what_is_not_http_is_said_to_be_so(said, token_file):
    async with silent_after(said) as url:
        upstream = Upstream(url, token_file)
        with pytest.raises(SourceLost, match="its answer is not HTTP"):
            await upstream.request("GET", "/v1/x")
        await upstream.close()


async def test_a_kept_connection_that_the_other_side_closed_costs_no_failure(token_file):
    served = []

    async def serve(reader, writer):
        """One answer a connection, which it claims to keep."""
        served.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", token_file)
    for _ in range(3):
        await upstream.request("POST", "/v1/x")
    await upstream.close()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)
    assert len(served) == 3


async def test_nobody_there_is_said_to_be_so(token_file, port_of_nobody):
    upstream = Upstream(f"http://127.0.0.1:{port_of_nobody}", token_file)
    with pytest.raises(SourceLost, match=f"no answer from http://127.0.0.1:{port_of_nobody}: "):
        await upstream.request("GET", "/v1/x")
    await upstream.close()


async def test_a_token_that_was_replaced_is_read_again(above, token_file):
    above.answer = lambda request: (
        web.json_response({})
        if request.headers["Authorization"] == "Bearer edge_second"
        else web.json_response({"error": "unauthorized", "message": "unknown or revoked token"}, status=401)
    )
    with pytest.raises(SourceRefuses, match="unknown or revoked token"):
        await above.upstream.request("GET", "/v1/x")
    token_file.write_text("edge_second")
    assert (await above.upstream.request("GET", "/v1/x")).status == 200


@pytest.mark.parametrize("content", [None, "", "two\nlines", "ü"])
async def test_a_file_without_a_token_is_a_refusal_that_names_it(above, token_file, content):
    if content is None:
        token_file.unlink()
    else:
        token_file.write_text(content)
    with pytest.raises(SourceRefuses) as raised:
        await above.upstream.request("GET", "/v1/x")
    assert raised.value.code == "no_token" and str(token_file) in raised.value.message
    assert above.seen == []


async def test_tls_is_verified(aiohttp_server, tmp_path, token_file):
    pair = a_certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*pair)
    server = await aiohttp_server(web.Application(), ssl=serving)
    address = f"https://localhost:{server.port}"
    trusting = Upstream(address, token_file, tls=ssl.create_default_context(cafile=pair.certificate))
    with pytest.raises(SourceLost, match="HTTP status 404 and no reason"):
        await trusting.request("GET", "/v1/x")
    strict, plain = Upstream(address, token_file), Upstream(f"http://127.0.0.1:{server.port}", token_file)
    with pytest.raises(SourceLost, match="its certificate is refused"):
        await strict.request("GET", "/v1/x")
    with pytest.raises(SourceLost):
        await plain.request("GET", "/v1/x")
    for each in (trusting, strict, plain):
        await each.close()


async def test_tls_to_a_port_without_it_is_said_to_be_so(above, token_file):
    upstream = Upstream(above.url.replace("http:", "https:"), token_file)
    with pytest.raises(SourceLost, match="does not speak TLS"):
        await upstream.request("GET", "/v1/x")
    await upstream.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "origin",
        "ftp://h:1",
        "https://",
        "https://h:0",
        "https://a@h:1",
        "https://h:1/?q",
        "https://h:1/#f",
        "x" * 999,
        "http://origin.example.com:8081",
        "https://h :1",
        "https://h:99999",
    ],
)
def test_an_address_that_no_token_may_go_to_is_refused(url):
    with pytest.raises(Invalid) as raised:
        parse_node_address(url)
    assert raised.value.code == "invalid_source" and len(raised.value.message) < 400


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://h:1/prefix"])
def test_an_address_of_this_machine_or_with_tls_is_taken(url):
    assert str(parse_node_address(url)).rstrip("/") == url


def test_plain_http_elsewhere_can_be_allowed():
    assert parse_node_address("http://origin:8081", insecure=True).host == "origin"

"""One message to a real server that does everything a receiver should not."""

import asyncio
import os
import socket
import ssl

import pytest
from aiohttp import web
from certificates import a_certificate

from edge.messages.addresses import parse_networks
from edge.messages.sending import READ_LIMIT_BYTES, SAID_LIMIT, Phases, Sender

LOCAL = parse_networks(["127.0.0.1"])
PATIENT = Phases(60.0, 60.0, 60.0, 60.0, 60.0)
HEADERS = {"webhook-id": "n1"}


@pytest.fixture
async def receiver(aiohttp_server):
    """Starts a server whose only handler is the given one; returns its port and the requests that it got."""

    async def start(handler, **serving):
        seen = []

        async def handle(request):
            seen.append((request.path_qs, dict(request.headers), await request.read()))
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", handle)
        return (await aiohttp_server(app, **serving)).port, seen

    return start


async def raw_server(answer):
    """A server that reads a head and then does what `answer` does with the writer."""
    done = asyncio.Event()

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()
            done.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], done


def a_sender(phases=PATIENT, allowed=LOCAL, **options):
    return Sender(allowed, phases, **({"allow_http": True} | options))


def names(*addresses):
    """A resolver of a test's own, which answers with one of these after another."""
    left = list(addresses)

    async def resolve(host, port):
        address = left.pop(0)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]

    return resolve


async def test_a_message_arrives_as_it_was_given(receiver):
    async def take(request):
        return web.Response(text="thank you")

    port, seen = await receiver(take)
    said = await a_sender().send(f"http://127.0.0.1:{port}/a%2Fb?c=%20", HEADERS, b'{"text": "x"}')
    assert (said.status, said.fault, said.text) == (200, "", "thank you")
    ((path, headers, body),) = seen
    assert (path, body) == ("/a%2Fb?c=%20", b'{"text": "x"}')
    assert headers["webhook-id"] == "n1" and headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("edge/") and "Cookie" not in headers


async def test_a_redirect_is_a_fault_and_is_not_followed(receiver):
    async def redirect(request):
        raise web.HTTPTemporaryRedirect("/elsewhere")

    port, seen = await receiver(redirect)
    said = await a_sender().send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert said.status == 307 and "redirects are not followed" in said.fault
    assert len(seen) == 1


async def test_an_error_is_a_fault_with_what_the_receiver_says(receiver):
    async def refuse(request):
        return web.Response(status=429, text="slow\x1b[31m down\n" + "x" * 10_000, headers={"Retry-After": "120"})

    port, _ = await receiver(refuse)
    said = await a_sender().send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert (said.status, said.fault, said.retry_after_seconds) == (429, "it answered 429", 120.0)
    assert said.text.startswith("slow [31m down x") and len(said.text) == SAID_LIMIT


@pytest.mark.parametrize("asked", ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "1e9", "٣", ""])
async def test_a_retry_after_that_is_no_number_asks_for_nothing(receiver, asked):
    async def refuse(request):
        return web.Response(status=503, headers={"Retry-After": asked})

    port, _ = await receiver(refuse)
    assert (await a_sender().send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")).retry_after_seconds == 0.0


async def test_of_a_huge_answer_little_is_read():
    sent = 0

    async def pour(writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while sent < 1_000_000_000:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    server, port, done = await raw_server(pour)
    async with server:
        said = await a_sender().send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
        await done.wait()
    assert (said.status, said.fault, len(said.text)) == (200, "", SAID_LIMIT)
    assert sent < 1_000 * READ_LIMIT_BYTES  # what the two kernels hold, and no more


async def test_an_answer_whose_body_drips_is_taken_all_the_same():
    async def drip(writer):
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nx")
        await writer.drain()
        await writer.wait_closed()

    server, port, _ = await raw_server(drip)
    async with server:
        phases = PATIENT._replace(body=0.05)
        said = await a_sender(phases).send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert (said.status, said.fault) == (202, "")


async def test_a_receiver_that_says_nothing_is_left():
    async def stay(writer):
        await writer.wait_closed()

    server, port, _ = await raw_server(stay)
    async with server:
        phases = PATIENT._replace(silence=0.05)
        said = await a_sender(phases).send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert (said.status, said.fault) == (0, "it did not answer in time")


async def test_a_head_that_drips_has_an_end():
    async def drip(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nA: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    server, port, _ = await raw_server(drip)
    async with server:
        phases = PATIENT._replace(total=0.3)
        said = await a_sender(phases).send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert (said.status, said.fault) == (0, "it did not answer in time")


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000 + b"\r\n\r\n"])
async def test_what_is_no_http_is_a_fault(head):
    async def answer(writer):
        writer.write(head)
        await writer.drain()

    server, port, _ = await raw_server(answer)
    async with server:
        said = await a_sender().send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert said.status == 0 and said.fault


async def test_a_connection_that_is_closed_unanswered_is_a_fault():
    async def leave(writer):
        return None

    server, port, _ = await raw_server(leave)
    async with server:
        said = await a_sender().send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert said == (0, "it closed the connection without an answer", "", 0.0)


async def test_nobody_listens(port_of_nobody):
    said = await a_sender().send(f"http://127.0.0.1:{port_of_nobody}/", HEADERS, b"{}")
    assert said.status == 0 and said.fault.startswith("no connection: ")


async def test_a_name_without_an_address_is_a_fault():
    async def resolve(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    said = await a_sender(resolve=resolve).send("http://hooks.example.com/", HEADERS, b"{}")
    assert said == (0, "its host has no address", "", 0.0)


async def test_a_resolver_that_hangs_has_an_end():
    async def resolve(host, port):
        await asyncio.Event().wait()

    said = await a_sender(PATIENT._replace(resolve=0.05), resolve=resolve).send("http://example.com/", HEADERS, b"{}")
    assert said.status == 0 and said.fault


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1"])
async def test_a_private_address_is_refused_in_every_notation(receiver, host):
    async def take(request):
        return web.Response()

    port, seen = await receiver(take)
    said = await a_sender(allowed=()).send(f"http://{host}:{port}/", HEADERS, b"{}")
    assert said.status == 0 and ("not on the public internet" in said.fault or "not a canonical" in said.fault)
    assert seen == []


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "0.0.0.0"])
async def test_a_name_that_leads_inside_is_refused(address):
    said = await a_sender(allowed=(), resolve=names(address)).send("http://hooks.example.com/", HEADERS, b"{}")
    assert "is not on the public internet" in said.fault


async def test_a_name_that_changes_after_it_was_good_is_refused(receiver):
    async def take(request):
        return web.Response()

    port, seen = await receiver(take)
    sender = a_sender(resolve=names("127.0.0.1", "127.0.0.2"))
    url = f"http://hooks.example.com:{port}/"
    assert (await sender.send(url, HEADERS, b"{}")).fault == ""
    assert "127.0.0.2 is not on the public internet" in (await sender.send(url, HEADERS, b"{}")).fault
    assert len(seen) == 1


async def test_of_several_addresses_the_good_one_is_used(receiver):
    async def take(request):
        return web.Response()

    port, seen = await receiver(take)

    async def resolve(host, port):
        kinds = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kinds, (address, port)) for address in ("10.0.0.1", "127.0.0.1")]

    assert (await a_sender(resolve=resolve).send(f"http://example.com:{port}/", HEADERS, b"{}")).fault == ""
    assert len(seen) == 1


async def test_http_is_refused_unless_it_is_allowed(receiver):
    async def take(request):
        return web.Response()

    port, seen = await receiver(take)
    said = await a_sender(allow_http=False).send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")
    assert "not https" in said.fault and seen == []


async def test_a_certificate_is_verified(receiver, tmp_path):
    async def take(request):
        return web.Response()

    files = a_certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*files)
    port, seen = await receiver(take, ssl=serving)
    url = f"https://localhost:{port}/"
    refused = await a_sender(resolve=names("127.0.0.1")).send(url, HEADERS, b"{}")
    assert refused.fault.startswith("its certificate is refused") and seen == []
    trusting = ssl.create_default_context(cafile=files.certificate)
    taken = await a_sender(resolve=names("127.0.0.1"), context=trusting).send(url, HEADERS, b"{}")
    assert taken.fault == "" and len(seen) == 1


async def test_a_proxy_of_the_environment_is_not_used(receiver):
    async def take(request):
        return web.Response()

    port, seen = await receiver(take)
    before = dict(os.environ)
    try:
        os.environ |= {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        assert (await a_sender().send(f"http://127.0.0.1:{port}/", HEADERS, b"{}")).fault == ""
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert len(seen) == 1


async def test_a_fault_does_not_show_the_path():
    said = await a_sender(resolve=names("10.0.0.1")).send("http://hooks.example.com/T0/secret", HEADERS, b"{}")
    assert "secret" not in said.fault

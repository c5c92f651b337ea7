"""The bundle routes of a real server, byte by byte over a plain socket."""

import asyncio
import hashlib
import os
import random
import socket
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from aiohttp import web
from proving import open_files

from edge.node.http.bundle_routes import add_bundle_routes
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

APP = "com.example.app"
CONTENT = random.Random(11).randbytes(1_000_003)
LARGE = 32 * 1024 * 1024
MODIFIED = 784111777
NOT_FOUND = b'{"error": "not_found", "message": "Not found"}'


class Shelf:
    """Stands for a snapshot: devices may read what was put here."""

    def __init__(self, folder):
        self.store = FsStore(folder / "store")
        self._readable = set()

    def put(self, content, kind="file"):
        digest = keep_bytes(self.store, content)
        os.utime(self.path(content), (MODIFIED, MODIFIED))
        self._readable.add((APP, kind, digest))
        return f"/bundles/{APP}/{kind}/{digest}"

    def path(self, content):
        return self.store.path(blob_key(hashlib.sha256(content).hexdigest()))

    def may_read(self, app, kind, digest):
        return (app, kind, digest) in self._readable


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def ask(self, path, method="GET", **headers):
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def answer(self, method="GET"):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")[:-2]
        headers = {}
        for line in lines:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers
            headers[name.lower()] = value
        length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        return Answer(int(status.split()[1]), headers, await self.reader.readexactly(length))

    async def get(self, path, method="GET", **headers):
        self.ask(path, method, **headers)
        return await self.answer(method)


class Node(NamedTuple):
    shelf: Shelf
    port: int

    @asynccontextmanager
    async def client(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()


@pytest.fixture
async def node(tmp_path):
    shelf, app = Shelf(tmp_path), web.Application()
    files = open_files(shelf.store, limit=4)
    add_bundle_routes(app.router, shelf, files)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield Node(shelf, runner.addresses[0][1])
    await runner.cleanup()
    await files.close()


def mark(content):
    return len(content), hashlib.sha256(content).hexdigest()


async def test_a_file_arrives_whole(node):
    path = node.shelf.put(CONTENT)
    async with node.client() as client:
        status, headers, body = await client.get(path)
    assert (status, mark(body)) == (200, mark(CONTENT))
    assert headers["etag"] == f'"{mark(CONTENT)[1]}"'
    assert headers["content-type"] == "application/octet-stream"
    assert headers["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert headers["cache-control"] == "public, max-age=31536000, immutable, no-transform"
    assert not {"content-encoding", "transfer-encoding", "connection"} & set(headers)


@pytest.mark.parametrize("kind", ["zip", "file"])
@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=len)
async def test_head_has_the_headers_of_get_and_no_body(node, kind, content):
    path = node.shelf.put(content, kind)
    async with node.client() as client:
        got, head = await client.get(path), await client.get(path, "HEAD")
        ranged = await client.get(path, "HEAD", Range="bytes=0-0")
    drop = {"date": ""}
    assert (head.status, head.headers | drop) == (got.status, got.headers | drop)
    assert (ranged.status, ranged.headers | drop) == (got.status, got.headers | drop)
    assert got.body == content or mark(got.body) == mark(content)


async def test_requests_sent_together_are_answered_in_order_on_one_connection(node):
    one, two, three = (node.shelf.put(CONTENT[:n]) for n in (900_000, 0, 7))
    async with node.client() as client:
        client.ask(one)
        client.ask(one, "HEAD")
        client.ask(two)
        client.ask(one, Range="bytes=899990-")
        client.ask(one, If_None_Match="*")
        client.ask(one, Range="bytes=900000-")
        client.ask("/bundles/nothing")
        client.ask(three)
        answers = [await client.answer(method) for method in ("GET", "HEAD", *["GET"] * 6)]
        assert [answer.status for answer in answers] == [200, 200, 200, 206, 304, 416, 404, 200]
        sizes = [len(answer.body) for answer in answers]
        assert sizes == [900_000, 0, 0, 10, 0, 0, len(NOT_FOUND), 7]
        assert mark(answers[0].body) == mark(CONTENT[:900_000])
        assert answers[3].body == CONTENT[899_990:900_000]
        assert answers[7].body == CONTENT[:7]
        assert (await client.get(three)).body == CONTENT[:7]  # and the connection lives


async def test_http_1_0_closes_after_the_body(node):
    path = node.shelf.put(CONTENT)
    async with node.client() as client:
        client.writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        head, body = (await client.reader.read(-1)).split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.0 200 ")
    assert mark(body) == mark(CONTENT)


async def test_connection_close_is_kept(node):
    path = node.shelf.put(CONTENT)
    async with node.client() as client:
        answer = await client.get(path, Connection="close")
        assert (answer.headers["connection"], mark(answer.body)) == ("close", mark(CONTENT))
        assert await client.reader.read(1) == b""


@pytest.mark.parametrize("seed", range(5))
async def test_a_download_cut_at_random_places_is_the_whole(node, seed):
    path, chance, got = node.shelf.put(CONTENT, "zip"), random.Random(seed), b""
    etag = f'"{mark(CONTENT)[1]}"'
    while len(got) < len(CONTENT):
        async with node.client() as client:
            client.ask(path, Range=f"bytes={len(got)}-", If_Range=etag)
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b" 206 " in head.split(b"\r\n")[0]
            assert f"bytes {len(got)}-{len(CONTENT) - 1}/{len(CONTENT)}".encode() in head
            wanted = min(chance.randint(1, 400_000), len(CONTENT) - len(got))
            got += await client.reader.readexactly(wanted)
    assert mark(got) == mark(CONTENT)


@pytest.mark.parametrize(
    ("kind", "query", "status", "length"),
    [
        ("zip", "?end=empty", 206, 0),
        ("zip", "?end=whole", 200, 10),
        ("zip", "?end=refuse", 416, 0),
        ("zip", "", 416, 0),
        ("zip", "?end=", 416, 0),
        ("zip", "?end=other", 416, 0),
        ("zip", "?end=%zz", 416, 0),
        ("zip", "?device=1&end=empty", 206, 0),
        ("file", "?end=empty", 416, 0),
        ("file", "?end=whole", 416, 0),
    ],
)
async def test_the_end_of_a_zip_is_answered_as_its_address_says(node, kind, query, status, length):
    path = node.shelf.put(b"0123456789", kind)
    async with node.client() as client:
        answer = await client.get(path + query, Range="bytes=10-")
        assert (answer.status, len(answer.body)) == (status, length)
        if not length:
            assert (answer.headers["content-range"], answer.headers["content-length"]) == ("bytes */10", "0")
        assert (await client.get(path)).body == b"0123456789"


async def test_header_lines_of_one_name_count_as_a_list(node):
    path = node.shelf.put(b"0123456789")
    etag = f'"{hashlib.sha256(b"0123456789").hexdigest()}"'
    async with node.client() as client:
        lines = f"GET {path} HTTP/1.1\r\nHost: x\r\n"
        client.writer.write(f'{lines}If-None-Match: "a"\r\nIf-None-Match: {etag}\r\n\r\n'.encode())
        assert (await client.answer()).status == 304
        client.writer.write(f"{lines}Range: bytes=0-1\r\nRange: bytes=3-4\r\n\r\n".encode())
        assert (await client.answer()).status == 200


DIGEST = hashlib.sha256(b"here").hexdigest()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/bundles/",
        f"/bundles/{APP}/file/",
        f"/bundles/{APP}/file/{DIGEST}/",
        f"/bundles/{APP}/file/{DIGEST}/more",
        f"/bundles/{APP}/file/{DIGEST[:-1]}",
        f"/bundles/{APP}/file/{DIGEST.upper()}",
        f"/bundles/{APP}/file/{DIGEST[:-1]}%0a",
        f"/bundles/{APP}/file/{DIGEST[:-2]}%zz",
        f"/bundles/{APP}/file/{DIGEST[:-1]}%",
        f"/bundles/{APP}/file/%ff%fe",
        f"/bundles/{APP}/file/{{}}",
        f"/bundles/{APP}/file/{'0' * 64}",  # not readable
        f"/bundles/{APP}/zip/{DIGEST}",  # readable as a file
        f"/bundles/{APP}/manifest/{DIGEST}",
        f"/bundles/com.example.other/file/{DIGEST}",
        f"/bundles/{'a' * 4000}.b/file/{DIGEST}",
        f"/bundles/app/file/{DIGEST}",
        f"/bundles/%2e%2e/file/{DIGEST}",
        f"/bundles/..%2f..%2fetc/file/{DIGEST}",
    ],
    ids=lambda path: path[:60],
)
async def test_anything_else_is_the_same_404(node, path, method):
    good = node.shelf.put(b"here")
    async with node.client() as client:
        status, headers, body = await client.get(path, method)
        assert (status, body) == (404, NOT_FOUND if method == "GET" else b"")
        assert (headers["content-length"], headers["cache-control"]) == (str(len(NOT_FOUND)), "no-store")
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert (await client.get(good)).body == b"here"


async def test_a_readable_blob_that_is_not_there_is_503_until_it_is_back(node):
    path = node.shelf.put(b"here")
    node.shelf.path(b"here").unlink()
    async with node.client() as client:
        answer = await client.get(path)
        assert (answer.status, answer.headers["retry-after"], answer.headers["cache-control"]) == (
            503,
            "60",
            "no-store",
        )
        node.shelf.put(b"here")
        assert (await client.get(path)).body == b"here"


@asynccontextmanager
async def a_stuck_download(node, path):
    """A client that asked for everything and reads nothing: the kernel's buffers are full, the handler waits."""
    loop = asyncio.get_running_loop()
    with socket.socket() as stuck:
        stuck.setblocking(False)
        await loop.sock_connect(stuck, ("127.0.0.1", node.port))
        await loop.sock_sendall(stuck, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await loop.sock_recv(stuck, 12)) == b"HTTP/1.1 200"
        yield stuck


async def test_a_small_request_is_answered_while_large_files_are_being_sent(node):
    large, small = node.shelf.put(bytes(LARGE)), node.shelf.put(b"small")
    async with a_stuck_download(node, large), a_stuck_download(node, large), node.client() as busy:
        busy.ask(large)
        async with node.client() as client:
            for _ in range(3):
                assert (await client.get(small)).body == b"small"
        answer = await busy.answer()
    assert (len(answer.body), answer.body.count(0)) == (LARGE, LARGE)


async def test_a_client_that_leaves_is_not_an_error(node, caplog):
    large, small = node.shelf.put(bytes(LARGE)), node.shelf.put(b"small")
    before = sockets()
    async with a_stuck_download(node, large):
        pass
    async with asyncio.timeout(60):
        while sockets() > before:
            await asyncio.sleep(0)
    async with node.client() as client:
        assert (await client.get(small)).body == b"small"
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_file_that_shrinks_cuts_the_connection_and_is_told(node, caplog):
    path = node.shelf.put(bytes(LARGE))
    async with node.client() as client:
        client.ask(path)
        await client.reader.readuntil(b"\r\n\r\n")
        os.truncate(node.shelf.path(bytes(LARGE)), 1)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(LARGE)
    async with node.client() as client:
        assert (await client.get(path)).status == 503
    (said,) = [record.getMessage() for record in caplog.records]
    assert "is damaged" in said and hashlib.sha256(bytes(LARGE)).hexdigest() in said


async def test_a_file_that_changes_while_it_is_sent_does_not_arrive_whole(node):
    path = node.shelf.put(bytes(LARGE))
    async with node.client() as client:
        client.ask(path)
        await client.reader.readuntil(b"\r\n\r\n")
        with node.shelf.path(bytes(LARGE)).open("r+b") as file:
            file.seek(LARGE - 10)
            file.write(b"1")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(LARGE)


async def test_a_file_that_is_deleted_while_it_is_sent_arrives_whole(node):
    path = node.shelf.put(bytes(LARGE))
    async with node.client() as client:
        client.ask(path)
        await client.reader.readuntil(b"\r\n\r\n")
        node.shelf.path(bytes(LARGE)).unlink()
        assert (await client.reader.readexactly(LARGE)).count(0) == LARGE


def sockets():
    links = (f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd"))
    return sum(os.path.islink(link) and os.readlink(link).startswith("socket:") for link in links)

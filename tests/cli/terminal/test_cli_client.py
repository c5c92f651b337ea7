"""The client of the control port: what it sends, when it tries again, and the one line it makes of a failure."""

import _thread
import hashlib
import socket
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_server import scripted_server

from benchmarks.ports import free_port
from edge.cli.terminal.client import (
    ATTEMPTS,
    BLOCK_BYTES,
    ControlClient,
    RequestRefused,
    Unreachable,
    app_path,
    warn_of_plain_http,
)
from edge.domain.errors import Invalid

TOKEN = "edge_test"


@pytest.fixture
def server():
    with scripted_server() as running:
        yield running


@pytest.fixture
def client(server):
    opened = ControlClient(server.url, TOKEN)
    yield opened
    opened.close()


def nothing(_count):
    pass


def test_a_request_carries_the_token_and_decodes_the_answer(server, client):
    server.script.append((200, b'[{"app": "com.acme.app"}]'))
    assert client.get("/v1/apps") == [{"app": "com.acme.app"}]
    assert server.seen[0]["authorization"] == f"Bearer {TOKEN}"
    assert "idempotency-key" not in server.seen[0]


def test_many_requests_share_one_connection(server, client):
    for _ in range(5):
        client.post("/v1/apps", {"app": "com.acme.app"})
    assert len(server.seen) == 5
    assert server.connections == 1


def test_a_change_that_lost_its_answer_is_sent_again_under_the_same_id(server, client):
    server.script.extend(["drop", (200, b'{"changed": true}')])
    assert client.post("/v1/apps", {"app": "com.acme.app"}) == {"changed": True}
    keys = [each["idempotency-key"] for each in server.seen]
    assert len(keys) == 2 and len(set(keys)) == 1


def test_two_changes_have_two_ids(server, client):
    client.post("/v1/apps", {})
    client.post("/v1/apps", {})
    assert len({each["idempotency-key"] for each in server.seen}) == 2


def test_it_gives_up_after_some_attempts_and_says_what_it_asked(server, client):
    server.script.extend(["drop"] * ATTEMPTS)
    with pytest.raises(Unreachable, match=f"no answer from {server.url}: "):
        client.get("/v1/apps")
    assert len(server.seen) == ATTEMPTS


def test_nobody_there_is_told_with_the_address():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"no answer from {url}: connection refused"):
        ControlClient(url, TOKEN).get("/v1/apps")


def test_the_servers_error_keeps_its_code_status_and_message(server, client):
    server.script.append((409, b'{"error": "app_exists", "message": "app exists already"}'))
    with pytest.raises(RequestRefused) as caught:
        client.post("/v1/apps", {})
    assert (caught.value.answered, caught.value.code, caught.value.message) == (409, "app_exists", "app exists already")
    assert len(server.seen) == 1


@pytest.mark.parametrize("answer", [(200, b"<html>"), (502, b"bad gateway"), (404, b'{"detail": 1}'), (302, b"")])
def test_an_answer_of_something_else_is_told_by_its_status(server, client, answer):
    server.script.append(answer)
    with pytest.raises(RequestRefused, match=f"HTTP status {answer[0]}"):
        client.get("/v1/apps")


def test_an_upload_is_streamed_and_every_byte_is_told(server, client, tmp_path):
    content = bytes(range(256)) * 4_096 * 3 + b"end"
    file = tmp_path / "blob"
    file.write_bytes(content)
    steps = []
    client.upload("/v1/blob", file, steps.append)
    assert server.seen[0]["sha256"] == hashlib.sha256(content).hexdigest()
    assert server.seen[0]["content-length"] == str(len(content))
    assert sum(steps) == len(content) and max(steps) <= BLOCK_BYTES


def test_an_empty_file_is_uploaded_too(server, client, tmp_path):
    file = tmp_path / "blob"
    file.touch()
    client.upload("/v1/blob", file, nothing)
    assert (server.seen[0]["content-length"], server.seen[0]["bytes"]) == ("0", 0)


def test_an_upload_that_broke_is_sent_again_whole_and_counted_once(server, client, tmp_path):
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 1_000_000)
    server.script.append("drop")
    steps = []
    client.upload("/v1/blob", file, steps.append)
    assert [each["bytes"] for each in server.seen] == [1_000_000] * 2
    assert sum(steps) == 1_000_000


def test_a_refusal_in_the_middle_of_an_upload_is_read(server, client, tmp_path):
    file = tmp_path / "blob"
    with file.open("wb") as sparse:
        sparse.truncate(64 * 1024 * 1024)
    server.script.append("refuse")
    with pytest.raises(RequestRefused, match="too large"):
        client.upload("/v1/blob", file, nothing)
    assert len(server.seen) == 1


def test_a_large_upload_takes_little_memory(server, client, tmp_path):
    file = tmp_path / "blob"
    with file.open("wb") as sparse:
        sparse.truncate(64 * 1024 * 1024)
    tracemalloc.start()
    try:
        client.upload("/v1/blob", file, nothing)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert server.seen[0]["bytes"] == 64 * 1024 * 1024
    assert peak_bytes < 8 * 1024 * 1024


def test_a_file_that_shrinks_while_it_is_sent_is_refused_here(server, client, tmp_path):
    file = tmp_path / "blob"
    file.write_bytes(b"x" * BLOCK_BYTES * 4)

    def shrink(_count):
        with file.open("r+b") as open_file:
            open_file.truncate(BLOCK_BYTES)

    with pytest.raises(Invalid, match="shrank"):
        client.upload("/v1/blob", file, shrink)


def test_closing_ends_an_upload_under_way(server, client, tmp_path):
    file = tmp_path / "blob"
    file.write_bytes(b"x" * BLOCK_BYTES * 8)
    with pytest.raises(Unreachable, match="stopped"):
        client.upload("/v1/blob", file, lambda _count: client.close())


def test_closing_ends_a_wait_for_an_answer_in_another_thread(server, client):
    server.script.append("hang")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.get, "/v1/apps")
        assert server.hanging.wait(120)
        client.close()
        with pytest.raises(Unreachable):
            asking.result(20)
    assert len(server.seen) == 1


def test_an_interrupt_just_before_a_wait_ends_it():
    """As a signal that comes in the instant between Python's last look and the system call: it ends no call."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as threads:

        def interrupt_in_the_wait() -> socket.socket:
            connection = silent.accept()[0]
            assert connection.recv(1)
            _thread.interrupt_main()  # no system call of the main thread ends for it
            return connection

        interrupting = threads.submit(interrupt_in_the_wait)
        client = ControlClient(f"http://127.0.0.1:{silent.getsockname()[1]}", "edge_x")
        with pytest.raises(KeyboardInterrupt):
            client.get("/v1/apps")
        interrupting.result().close()


def test_an_address_may_have_a_path_in_front(server):
    client = ControlClient(f"{server.url}/edge/", TOKEN)
    client.get("/v1/apps")
    client.close()
    assert server.seen[0]["path"] == "/edge/v1/apps"


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8081", "ftp://host", "http://", "http://host:99999", "http://[::1", "http://h/a b", "http://h?x"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(Invalid, match="is not an address like"):
        ControlClient(url, TOKEN)


@pytest.mark.parametrize("token", ["a\r\nHost: b", "schlüssel", "a\0"])
def test_a_token_cannot_carry_another_header(token):
    with pytest.raises(Invalid, match="invalid token: only printable"):
        ControlClient("http://127.0.0.1:1", token)


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://192.0.2.1:8081", True),
        ("http://control.example.com", True),
        ("https://control.example.com", False),
        ("http://127.0.0.1:8081", False),
        ("http://localhost:8081", False),
        ("http://[::1]:8081", False),
    ],
)
def test_a_token_over_plain_http_is_warned_of_beyond_this_machine(url, warns, capsys):
    warn_of_plain_http(url)
    assert capsys.readouterr().err == (
        f"warning: {url} is not encrypted: anyone on the network path can read the token\n" if warns else ""
    )


def test_words_in_addresses_are_quoted():
    assert app_path("com.acme.app", "bundles", "1.0.0+a/b?") == "/v1/apps/com.acme.app/bundles/1.0.0%2Ba%2Fb%3F"


def test_json_bodies_are_utf_8(server, client):
    client.post("/v1/x", {"comment": "größer"})
    assert server.seen[0]["sha256"] == hashlib.sha256('{"comment":"größer"}'.encode()).hexdigest()


def test_a_warning_beside_answers_is_kept_once(server, client):
    warned = {"Edge-Warning": "head shard 8 was rolled back"}
    server.script.extend([(200, b"{}", warned), (200, b"{}", warned)])
    for _ in range(2):
        assert client.get("/v1/apps") == {}
    assert client.warnings == ["head shard 8 was rolled back"]

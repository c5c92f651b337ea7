"""Publishing when the line or the user breaks it off: nothing is left behind, and one line says why."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest
from scripted_server import scripted_server

PROGRAM = "import sys; from edge.cli.main import main; main()"
FOUND = (200, b"{}")
NO_BUNDLES = (200, b"[]")
NEW = (404, b'{"error": "unknown_bundle", "message": "unknown bundle"}')  # of the version


@pytest.fixture
def server():
    with scripted_server() as running:
        yield running


@pytest.fixture
def publishing(server, tmp_path):
    """Starts `edge bundle publish` of two files in a process of its own, with its own temporary directory."""
    build, scratch = tmp_path / "build", tmp_path / "scratch"
    build.mkdir()
    scratch.mkdir()
    (build / "index.html").write_text("<!doctype html>")
    (build / "app.js").write_text("export const answer = 42")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}

    def start():
        args = ["bundle", "publish", "com.acme.app", str(build), "--version", "1.0.0", "--json"]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *args],
            env=environ
            | {
                "EDGE_URL": server.url,
                "EDGE_TOKEN": "edge_x",
                "TMPDIR": str(scratch),
                "EDGE_CACHE_DIR": str(tmp_path / "cache"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    yield start
    assert list(scratch.iterdir()) == []


def all_missing(body):
    return 200, msgspec.json.encode({"missing": msgspec.json.decode(body)["digests"]})


def test_an_interrupt_while_uploading_is_130_at_once(server, publishing):
    server.script.extend([FOUND, NO_BUNDLES, NEW, NEW, all_missing, "hang", "hang", "hang", "hang"])
    with publishing() as running:
        assert server.hanging.wait(120)
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=120)
    assert (running.returncode, out, errors) == (130, "", "")


def test_an_upload_that_is_refused_ends_the_others_and_is_one_line(server, publishing):
    refused = (413, b'{"error": "body_too_large", "message": "the body is larger than 5 bytes"}')
    server.script.extend([FOUND, NO_BUNDLES, NEW, NEW, all_missing, "hang", refused, refused, refused])
    with publishing() as running:
        out, errors = running.communicate(timeout=120)
    assert (running.returncode, out, errors) == (1, "", "edge: the body is larger than 5 bytes\n")
    assert "/bundles" not in [each["path"][-8:] for each in server.seen if each["method"] == "POST"]


def test_a_connection_that_breaks_is_taken_up_again(server, publishing):
    server.script.extend([FOUND, NO_BUNDLES, NEW, NEW, all_missing, "drop", "drop"])
    published = {"version": "1.0.0", "changed": True, "zip_bytes": 1}

    def answer_the_publish(_body):
        return 200, msgspec.json.encode(published)

    # Two files, zip and manifest, of which two come twice; then the publish itself.
    server.script.extend([FOUND] * 4 + [answer_the_publish])
    with publishing() as running:
        out, errors = running.communicate(timeout=120)
    assert (running.returncode, errors) == (0, "")
    assert msgspec.json.decode(out)["uploaded"] == 4
    puts = [each["idempotency-key"] for each in server.seen if each["method"] == "PUT"]
    assert (len(puts), len(set(puts))) == (6, 4)

"""Servers that speak S3, for tests: moto's, as a process, and one in front of it that fails as clouds do."""

import contextlib
import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

ACCESS, SECRET = "AKIDEXAMPLE", "SECRET-KEY"
KEYS_FILE = f"[default]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\nregion = us-east-1\n"
BUCKET = "edge-test"
SERVE = """
import io, os, sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

def one_at_a_time(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    with turn:
        return list(moto(environ | {"wsgi.input": io.BytesIO(body)}, start_response))

server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
os._exit(0)
"""  # moto looks at a condition and writes in two steps; it ends with its parent, which holds its input's other end


@contextlib.contextmanager
def moto_server():
    """Its address; it keeps everything in memory, and checks no signatures."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


def make_bucket(address, bucket=BUCKET):
    urlopen(Request(f"{address}/{bucket}", method="PUT", headers={"Authorization": AUTHORIZATION})).close()


def drop_bucket(address, bucket=BUCKET):
    """With everything in it."""
    listed = _asked(address, "GET", f"/{bucket}?list-type=2")
    for key in re.findall(rb"<Key>([^<]*)</Key>", listed):
        _asked(address, "DELETE", f"/{bucket}/{key.decode()}")
    _asked(address, "DELETE", f"/{bucket}")


def unfinished_uploads(address, bucket=BUCKET):
    """Their keys."""
    return [key.decode() for key in re.findall(rb"<Key>([^<]*)</Key>", _asked(address, "GET", f"/{bucket}?uploads"))]


AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def _asked(address, method, path):
    with urlopen(Request(address + path, method=method, headers={"Authorization": AUTHORIZATION})) as answer:
        return answer.read()


def refusal(status, code, more=""):
    """A step of the script: an answer in S3's words, with what a careless client would repeat."""
    body = f"<Error><Code>{code}</Code><Message>AKIDEXAMPLE SECRET-KEY</Message>{more}</Error>".encode()
    return status, body


class Interposer(http.server.ThreadingHTTPServer):
    """Passes requests on, but for the steps of its `script`, taken in order by requests that `concerns` chooses:

    * (status, body): answered so, and not passed on,
    * `lose_answer`: passed on, and its answer is dropped,
    * `drop`: not passed on, and not answered,
    * `hang`: not answered before the server ends.

    `gone`: nobody is answered. `delay_seconds`: of each answer. `bare_tags`: tags are given, and compared, without
    quotes. `lax`: these conditions are ignored. `seen` has the requests.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlsplit(behind)
        self.script = deque()
        self.concerns = lambda method, path: True
        self.seen = []
        self.bare_tags = False
        self.gone = False
        self.delay_seconds = 0.0
        self.lax = frozenset()  # of If-Match, If-None-Match
        self.arrived = threading.Event()
        self.ended = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def let_go(self):
        """What hangs ends unanswered."""
        self.ended.set()

    def handle_error(self, request, client_address):
        """Clients that leave are what the tests are about."""


@contextlib.contextmanager
def interposed(behind):
    with Interposer(behind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


class _Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def answer(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.seen.append((self.command, self.path, self.headers))
        server.arrived.set()
        if server.delay_seconds:
            server.ended.wait(server.delay_seconds)
        step = "drop" if server.gone else None
        if step is None and server.script and server.concerns(self.command, self.path):
            step = server.script.popleft()
        if step in ("drop", "hang"):
            self.close_connection = True
            if step == "hang":
                server.ended.wait()
            return
        status, headers, content = step if isinstance(step, tuple) and len(step) == 3 else (None, None, None)
        if isinstance(step, tuple) and len(step) == 2:
            status, headers, content = step[0], {}, step[1]
        if status is None:
            status, headers, content = self.passed_on(body)
        if step == "lose_answer":
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304 and "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(content)

    def passed_on(self, body):
        headers = {name: self.sent(name, value) for name, value in self.headers.items() if self.is_sent(name, value)}
        connection = http.client.HTTPConnection(self.server.behind.hostname, self.server.behind.port)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            got = {name: value for name, value in answer.getheaders() if name.lower() in KEPT}
        finally:
            connection.close()
        if self.server.bare_tags and "ETag" in got:
            got["ETag"] = got["ETag"].strip('"')
        return answer.status, got, content

    def is_sent(self, name, value):
        if name.lower() in ("connection", "transfer-encoding", "expect"):
            return False
        return name.lower() not in self.server.lax

    def sent(self, name, value):
        """A server of bare tags finds that one in quotes is another."""
        if self.server.bare_tags and name.lower() == "if-match":
            return f'"{value}"' if '"' not in value else '"of no object"'
        return value

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer


KEPT = {"etag", "last-modified", "content-type", "content-length", "content-range"}


class Clock:
    """A monotonic clock that moves when somebody pauses, or by hand."""

    def __init__(self, now=1_800_000_000.0):
        self.now = now
        self.pauses = []

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


def wait_for_port(port, seconds=60.0):
    """Until something listens there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def keys_file(folder: Path) -> Path:
    file = folder / "bucket.keys"
    file.write_text(KEYS_FILE)
    file.chmod(0o600)
    return file

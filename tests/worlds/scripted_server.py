"""A control port that answers as a script says, for what a real one does only when something breaks."""

import hashlib
import http.server
import threading
from collections import deque
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """Answers by the script's steps, in order, then 200 and an empty object. A step is one of

    * (status, body), perhaps with headers; or a function from the request's body to that,
    * `drop`: reads the request and closes unanswered,
    * `refuse`: answers 413 before the body was read,
    * `hang`: reads the request, sets `hanging`, and answers nothing until the server ends.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.tls = tls
        self.script = deque()
        self.seen = []
        self.connections = 0
        self.hanging = threading.Event()
        self.ended = threading.Event()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_port}"

    def finish_request(self, request, client_address):
        """In the connection's own thread, so that a handshake holds up nobody else."""
        with self.tls.wrap_socket(request, server_side=True) if self.tls else request as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, request, client_address):
        """Peers that leave in the middle are what the tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def log_message(self, format, *args):
        pass

    def answer(self):
        step = self.server.script.popleft() if self.server.script else (200, b"{}")
        seen = {
            "method": self.command,
            "path": self.path,
            **{name.lower(): self.headers[name] for name in self.headers},
        }
        self.server.seen.append(seen)
        if step == "refuse":
            self.close_connection = True
            return self.reply(413, b'{"error": "body_too_large", "message": "too large"}')
        body = self.read_body(seen)
        if step in ("drop", "hang"):
            self.close_connection = True
            if step == "hang":
                self.server.hanging.set()
                self.server.ended.wait()
            return None
        return self.reply(*(step(body) if callable(step) else step))

    def read_body(self, seen):
        hashing, left = hashlib.sha256(), int(self.headers.get("Content-Length", 0))
        first, total = b"", left
        while left and (block := self.rfile.read(min(left, 65_536))):
            first = first or block
            hashing.update(block)
            left -= len(block)
        seen |= {"sha256": hashing.hexdigest(), "bytes": total - left}
        return first

    def reply(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer


@contextmanager
def scripted_server(tls=None):
    with Server(tls) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.ended.set()
            running.shutdown()
            thread.join()

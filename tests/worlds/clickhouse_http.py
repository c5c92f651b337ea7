"""ClickHouse's engine (chdb) behind the HTTP interface of a server, as a process of its own:

    python tests/worlds/clickhouse_http.py FOLDER USER PASSWORD [--die-after INSERTS] [--certificate PEM --key PEM]

It prints its port. What there is of the interface is what clickhouse-connect uses: a query in the address or the body,
compressed bodies, parameters, settings, the database, the user, exceptions with their codes. `--die-after`: the process
kills itself when it has carried out so many inserts, before it says so.
"""

import argparse
import gzip
import os
import re
import signal
import ssl
import sys
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import zstandard

# Of the transport: everything else that is no parameter is a setting.
TRANSPORT = {
    *("query", "database", "session_id", "query_id", "compress", "decompress", "client_protocol_version", "role"),
    *("wait_end_of_query", "buffer_size", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
    *("enable_http_compression", "session_timeout", "session_check", "quota_key"),
}
FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
AUTHENTICATION_FAILED = 516


class Engine:
    """One statement at a time."""

    def __init__(self, folder: str, die_after: int) -> None:
        from chdb.session import Session

        self._session = Session(folder)
        self._lock = Lock()
        self._left = die_after

    def run(self, given: dict[str, str], body: bytes) -> bytes:
        """Raises RuntimeError with the engine's message."""
        query = given.get("query", "")
        if not query:  # an insert's lines follow its statement
            statement, _, lines = body.partition(b"\n")
            is_whole = not statement.lstrip().upper().startswith(b"INSERT") or not FORMAT.search(statement.decode())
            query, body = (body.decode(), b"") if is_whole else (statement.decode(), lines)
        is_insert = query.lstrip().upper().startswith("INSERT")
        with self._lock:
            if given.get("database"):
                self._session.query(f"USE `{given['database']}`")
            found = self._insert(query, given, body) if is_insert and body else self._ask(query, given)
            if is_insert:
                self._left -= 1
                if self._left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        return found

    def _insert(self, query: str, given: dict[str, str], body: bytes) -> bytes:
        form = FORMAT.search(query)
        assert form is not None, query
        into = f"{query[: form.start()]} {_settings(given)} FORMAT {form[1]}\n"
        return bytes(self._session.query(into + body.decode(), "TabSeparated").bytes() or b"")

    def _ask(self, query: str, given: dict[str, str]) -> bytes:
        form = FORMAT.search(query)
        asked = query[: form.start()] if form else query
        if asked.lstrip().upper().startswith(("SELECT", "WITH")):
            asked += f" {_settings(given)}"
        parameters = {name[len("param_") :]: value for name, value in given.items() if name.startswith("param_")}
        answer = self._session.query(asked, form[1] if form else "TabSeparated", params=parameters)
        return bytes(answer.bytes() or b"")


def _settings(given: dict[str, str]) -> str:
    found = {name: value for name, value in given.items() if name not in TRANSPORT and not name.startswith("param_")}
    words = ", ".join(f"{name} = '{value}'" for name, value in found.items())
    return f"SETTINGS {words}" if words else ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine
    user: tuple[str, str]

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self._body()
        if self._credentials() != self.user:
            self._answer(403, b"Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)", "516")
            return
        try:
            self._answer(200, self.engine.run(dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)), body))
        except RuntimeError as error:
            message = str(error)
            code = re.search(r"Code: (\d+)", message)
            self._answer(500, message.encode(), code[1] if code else "1")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self.headers.get("Content-Encoding"):
            case "zstd":
                return zstandard.ZstdDecompressor().decompressobj().decompress(body)
            case "gzip":
                return gzip.decompress(body)
        return body

    def _credentials(self) -> tuple[str, str]:
        scheme, _, words = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, password = b64decode(words).decode().partition(":")
            return user, password
        return self.headers.get("X-ClickHouse-User", "default"), self.headers.get("X-ClickHouse-Key", "")

    def _answer(self, status: int, content: bytes, code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.send_header("X-ClickHouse-Summary", '{"read_rows":"0"}')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing: the port is all that is printed."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Who asked is gone: tests kill clients."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--die-after", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    words = parser.parse_args()
    Handler.engine = Engine(words.folder, words.die_after)
    Handler.user = words.user, words.password
    server = Server(("127.0.0.1", 0), Handler)
    if words.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(words.certificate, words.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())

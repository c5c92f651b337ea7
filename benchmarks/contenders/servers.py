"""The contenders as running servers, one worker each: our node, nginx, and two programs of `contenders`.

Each is started once per benchmark, on a free loopback port, and identified by name.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring.accounting import family_of
from benchmarks.ports import free_port
from benchmarks.programs import await_port, environment, module, need_program, running
from benchmarks.worlds.answers import HttpAnswer
from edge.cli.terminal.client import ControlClient

OURS, NGINX, AIOHTTP, FLOOR = "ours", "nginx", "aiohttp", "floor"
NGINX_WORD_BYTES = 3_000  # nginx takes words of 4 KiB, escapes included
SERVE = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"

_NGINX = """
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 75;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=512;
  types {{ }}
  default_type {content_type};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{ssl} backlog=4096;
    {headers}
    {content}
  }}
}}
"""
_OF_NGINX = frozenset({"content-type", "etag", "last-modified", "accept-ranges", "content-range"})  # it writes them


class Files(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Server(NamedTuple):
    name: str
    port: int
    pid: int

    def pids(self) -> list[int]:
        """All its current processes."""
        return family_of(self.pid)


class BenchNode(NamedTuple):
    """Our server, with its control API."""

    server: Server
    control: ControlClient

    def worker_pids(self) -> list[int]:
        return [worker["pid"] for worker in self.control.get("/v1/node")["workers"]]

    def count(self, name: str) -> int:
        """One of the workers' own counters, over all workers."""
        return sum(int(worker["counts"].get(name, 0)) for worker in self.control.get("/v1/node")["workers"])


@contextmanager
def node(
    data_dir: Path,
    on: set[int],
    *,
    public_url: str = "",
    tls: Files | None = None,
    more: Mapping[str, str] | None = None,
    errors: Path | None = None,
) -> Iterator[BenchNode]:
    """`edge serve` on the data directory, without limits of connections per address, since all load comes from one;
    `more` are variables of its environment. Its standard error goes to the file `errors`, or to ours."""
    changes = {
        "EDGE_DATA_DIR": str(data_dir),
        "EDGE_DEVICES_HOST": "127.0.0.1",
        "EDGE_DEVICES_PORT": "0",
        "EDGE_DEVICES_WORKERS": "1",
        "EDGE_DEVICES_PUBLIC_URL": public_url,
        "EDGE_DEVICES_CONNECTIONS_PER_ADDRESS": "0",
        "EDGE_CONTROL_PORT": "0",
        "EDGE_LOG_LEVEL": "error",
        **(more or {}),
    }
    if tls:
        changes |= {"EDGE_DEVICES_TLS_CERTIFICATE": str(tls.certificate), "EDGE_DEVICES_TLS_KEY": str(tls.key)}
    command = [sys.executable, "-c", SERVE, "serve", "--json"]
    with (
        errors.open("wb") if errors else nullcontext() as told,
        running(command, on, env=environment(changes), stdout=subprocess.PIPE, stderr=told) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            raise RuntimeError("the node exited before it served")
        ports = json.loads(said)
        control = ControlClient(f"http://127.0.0.1:{ports['control']}", Path(ports["token_file"]).read_text().strip())
        try:
            yield BenchNode(Server(OURS, ports["devices"], process.pid), control)
        finally:
            control.close()


@contextmanager
def nginx(
    folder: Path,
    on: set[int],
    content: str,
    headers: Sequence[tuple[str, str]],
    content_type: str,
    tls: Files | None = None,
) -> Iterator[Server]:
    """`content` goes into the server block; `headers` are added to every answer but those nginx makes itself.

    Raises Missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    added = [f"add_header {name} {_quoted(value)};" for name, value in headers if name.lower() not in _OF_NGINX]
    if tls:
        added += [f"ssl_certificate {tls.certificate};", f"ssl_certificate_key {tls.key};"]
        added += ["ssl_protocols TLSv1.2 TLSv1.3;"]  # ours has both; nginx 1.22 leaves 1.3 out unless it is told
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            port=port,
            ssl=" ssl" if tls else "",
            content_type=content_type.partition(";")[0],
            headers="\n    ".join(added),
            content=content,
        )
    )
    with running([need_program("nginx"), "-c", str(config), "-e", f"{folder}/nginx-start.log"], on) as process:
        await_port(port, process)
        yield Server(NGINX, port, process.pid)


def nginx_return(answer: HttpAnswer) -> str:
    """The location that answers every check with the same bytes: in parts, where they are too long for one word."""
    body = answer.body.decode()
    parts = [body[at : at + NGINX_WORD_BYTES] for at in range(0, len(body), NGINX_WORD_BYTES)]
    if len(parts) == 1:
        return f"location /updates {{ return {answer.status} {_quoted(body)}; }}"
    settings = " ".join(f"set $part{at} {_quoted(part)};" for at, part in enumerate(parts))
    whole = "".join(f"${{part{at}}}" for at in range(len(parts)))
    return f'location /updates {{ {settings} return {answer.status} "{whole}"; }}'


@contextmanager
def program(name: str, words: Sequence[object], on: set[int]) -> Iterator[Server]:
    """A program of `contenders`, with its port as the first argument."""
    port = free_port()
    modules = {AIOHTTP: "aiohttp_check", FLOOR: "floor", "aiohttp files": "aiohttp_files"}
    with running(module(f"benchmarks.contenders.{modules[name]}", port, *words), on, env=environment({})) as process:
        await_port(port, process)
        yield Server(name, port, process.pid)


def _quoted(text: str) -> str:
    """A string in nginx's configuration, which cannot express a dollar sign."""
    if "$" in text:
        raise ValueError("nginx's configuration cannot express a dollar sign")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

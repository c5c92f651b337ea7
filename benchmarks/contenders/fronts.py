"""nginx and Caddy in front of a node: the shipped configurations, with names, ports and paths of this benchmark.

A load comes from one address; that each device has an address of its own is written into `X-Forwarded-For`, which Caddy
passes on only from whom it is told to trust.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders.servers import Files, Server
from benchmarks.ports import free_port
from benchmarks.programs import await_port, environment, need_program, running

CONFIG = Path(__file__).parent.parent.parent / "config"
NAMES = ("nginx", "caddy")


class Front(NamedTuple):
    """A proxy, and the node behind it."""

    proxy: Server
    node: Server


@contextmanager
def front(name: str, folder: Path, on: set[int], node: Server, files: Files, *, logs: bool) -> Iterator[Front]:
    """One of NAMES, with one worker or core. Raises Missing."""
    folder.mkdir()
    port, program = free_port(), need_program(name)
    file = folder / name
    file.write_text((_nginx if name == "nginx" else _caddy)(folder, port, node.port, files, logs))
    command = [program, "-g", "daemon off;", "-c", str(file), "-e", str(folder / "errors")]
    if name == "caddy":
        command = [program, "run", "--config", str(file), "--adapter", "caddyfile"]
    homes = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with (
        (folder / "said").open("wb") as said,
        running(command, on, env=environment(homes), stdout=said, stderr=said) as process,
    ):
        await_port(port, process)
        yield Front(Server(name, port, process.pid), node)


def _nginx(folder: Path, port: int, node: int, files: Files, logs: bool) -> str:
    return _replaced(
        "nginx.conf",
        {
            "user www-data;": f"user {'root' if os.geteuid() == 0 else 'www-data'};",
            "/run/nginx.pid": str(folder / "nginx.pid"),
            "worker_processes auto;": "worker_processes 1;",
            "access_log off;": f"access_log {folder / 'access'};" if logs else "access_log off;",
            "keepalive_timeout 75s;": "keepalive_timeout 75s; keepalive_requests 1000000000;",
            "keepalive 64;": "keepalive 64; keepalive_requests 1000000000;",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "ssl_certificate /etc/edge/tls/updates.pem": f"ssl_certificate {files.certificate}",
            "ssl_certificate_key /etc/edge/tls/updates.key": f"ssl_certificate_key {files.key}",
            "server 127.0.0.1:8080;": f"server 127.0.0.1:{node};",
        },
    )


def _caddy(folder: Path, port: int, node: int, files: Files, logs: bool) -> str:
    site = f"\nhttps://:{port} {{\n\tbind 127.0.0.1\n\ttls {files.certificate} {files.key}\n"
    log = f"\tlog {{\n\t\toutput file {folder / 'access'}\n\t}}\n" if logs else ""
    return _replaced(
        "Caddyfile",
        {
            "\tservers {": "\tadmin off\n\tauto_https disable_redirects\n\tservers {",
            "\nupdates.example.com {": site + log,
            "reverse_proxy 127.0.0.1:8080 {": f"reverse_proxy 127.0.0.1:{node} {{\n\t\ttrusted_proxies 127.0.0.1/32",
        },
    )


def _replaced(name: str, own: Mapping[str, str]) -> str:
    text = (CONFIG / name).read_text()
    for given, other in own.items():
        if text.count(given) != 1:
            raise RuntimeError(f"{name} has {given!r} {text.count(given)} times, not once")
        text = text.replace(given, other)
    return text

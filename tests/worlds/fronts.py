"""The fronts of `config/` as processes before a real node: the shipped files, with names, ports and paths replaced."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from certificates import Files
from places import ROOT

CONFIG = ROOT / "config"
START_SECONDS = 120.0


def why_not(name: str) -> str:
    """Why this front cannot run here; empty when it can."""
    if shutil.which(name) is None:
        return f"{name} is not installed"
    if name == "nginx" and not os.access("/var/lib/nginx", os.W_OK):
        return "nginx as packaged writes to /var/lib/nginx, which this user may not"
    return ""


def nginx(folder: Path, port: int, node: str, pair: Files) -> list[str]:
    """The command; its configuration is written into `folder`."""
    second = f"listen [::1]:{port} ssl http2;" if socket.has_dualstack_ipv6() else ""
    return ["nginx", "-g", "daemon off;", "-c", str(write(folder, "nginx.conf", {
        "user www-data;": f"user {'root' if os.geteuid() == 0 else 'www-data'};",
        "/run/nginx.pid": str(folder / "nginx.pid"),
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": second,
        "server_name updates.example.com;": "server_name localhost;",
        "ssl_certificate /etc/edge/tls/updates.pem": f"ssl_certificate {pair.certificate}",
        "ssl_certificate_key /etc/edge/tls/updates.key": f"ssl_certificate_key {pair.key}",
        "server 127.0.0.1:8080;": f"server {node};",
    }))]  # fmt: skip


def nginx_cdn(folder: Path, port: int, node: str, pair: Files) -> list[str]:
    """As `nginx`, of the caching edge. What it keeps is in `folder`, and a log of where it had each answer from."""
    second = f"listen [::1]:{port} ssl http2;" if socket.has_dualstack_ipv6() else ""
    return ["nginx", "-g", "daemon off;", "-c", str(write(folder, "nginx-cdn.conf", {
        "user www-data;": f"user {'root' if os.geteuid() == 0 else 'www-data'};",
        "/run/nginx-cdn.pid": str(folder / "nginx.pid"),
        "/var/cache/nginx/bundles": str(folder / "bundles"),
        "access_log off;": f"log_format fetches '$uri $upstream_addr'; access_log {folder / 'fetches.log'} fetches;",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": second,
        "server_name bundles.example.com;": "server_name localhost;",
        "ssl_certificate /etc/edge/tls/bundles.pem": f"ssl_certificate {pair.certificate}",
        "ssl_certificate_key /etc/edge/tls/bundles.key": f"ssl_certificate_key {pair.key}",
        "        server 127.0.0.1:8080;": f"        server {node};",
    }))]  # fmt: skip


def caddy(folder: Path, port: int, node: str, pair: Files) -> list[str]:
    file = write(folder, "Caddyfile", {
        "\tservers {": "\tadmin off\n\tauto_https disable_redirects\n\tservers {",
        "\nupdates.example.com {": f"\nhttps://localhost:{port} {{\n\ttls {pair.certificate} {pair.key}",
        "reverse_proxy 127.0.0.1:8080": f"reverse_proxy {node}",
    })  # fmt: skip
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


def write(folder: Path, name: str, replaced: dict[str, str]) -> Path:
    text = (CONFIG / name).read_text()
    for given, own in replaced.items():
        assert text.count(given) == 1, f"{name} has {given!r} {text.count(given)} times"
        text = text.replace(given, own)
    (folder / name).write_text(text)
    return folder / name


@contextmanager
def running(command: list[str], folder: Path, port: int):
    """Inside, the port takes connections; at the end the process has left."""
    environ = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = folder / "front.log"
    with log.open("wb") as said, subprocess.Popen(command, env=environ, stdout=said, stderr=said) as process:
        try:
            until = time.monotonic() + START_SECONDS
            while not takes_connections(port):
                assert process.poll() is None and time.monotonic() < until, log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        time.sleep(0.02)
        return False
    return True


def protocol_of(port: int, pair: Files) -> str | None:
    """What the front chooses when a client offers HTTP/2."""
    context = ssl.create_default_context(cafile=pair.certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), START_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return tls.selected_alpn_protocol()

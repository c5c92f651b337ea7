"""The servers of the `wan` bench: an `edge serve` with real releases in it, and an nginx that sends the very same zip.

Both run in the server's namespace, one worker each. Releases are two real consecutive npm packages, and one bundle of
5 MB that does not compress.
"""

import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.programs import environment, need_program
from benchmarks.wide_area.link import WanLink
from benchmarks.wide_area.space import Side, running

DEVICE_PORT, CONTROL_PORT, NGINX_PORT = 8080, 8081, 8090
ZIP_APP, ZIP_BYTES = "com.example.zip", 5_000_000
ZIP_FILES = 8
CEILING_BYTES = 100_000_000  # of nothing but zeros, to find out what relay and client can take
SEED = 1
CHANNEL = "production"
FIRST, SECOND = "1.0.1", "1.0.2"  # what the two releases of a package are called here
NGINX = """\
daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_timeout 75; client_body_temp_path {folder};
    proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen {address}:{port}; root {root}; location = /ceiling {{ alias {folder}/ceiling; }} }}
}}
"""


class Package(NamedTuple):
    name: str
    before: str
    after: str

    @property
    def app(self) -> str:
        return f"com.example.{self.name.replace('-', '')}"


SWAGGER = Package("swagger-ui-dist", "5.18.2", "5.18.3")
TINYMCE = Package("tinymce", "7.5.0", "7.5.1")


class WanNode:
    """A running `edge serve`; the command line talks to it from inside its namespace."""

    def __init__(self, side: Side, config: Path, data: Path) -> None:
        self._side = side
        self._config = config
        self._data = data
        self._serving = contextlib.ExitStack()

    def start(self) -> None:
        words = [sys.executable, "-m", "edge", "serve", "--json", "--config", str(self._config)]
        command = self._side.command(words)
        process = self._serving.enter_context(running(command, stdout=subprocess.PIPE, env=environment({})))
        assert process.stdout is not None
        if not process.stdout.readline():  # the line with its ports
            raise RuntimeError("`edge serve` did not start; its error is on standard error")

    def stop(self) -> None:
        self._serving.close()

    def know(self, link: WanLink) -> None:
        """Start again, as after a day of deliveries over this link."""
        self.stop()
        links = [[0.0, [link.round_trip_seconds, link.rate_bps]]]
        journal = {"format": 1, "links": links, "begun": time.time(), "day": [{}, {}]}
        (self._data / "node" / "links.json").write_text(json.dumps(journal))
        self.start()

    def edge(self, *words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "edge", *words, "--json", "--config", str(self._config)]
        done = subprocess.run(
            self._side.command(command), check=True, capture_output=True, text=True, env=environment({})
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def publish(self, app: str, source: Path, version: str) -> dict[str, Any]:
        return self.edge("bundle", "publish", app, str(source), "--version", version)

    def offer(self, app: str, version: str, channel: str = CHANNEL) -> None:
        self.edge("channel", "set", app, channel, "--bundle", version)

    def create(self, app: str) -> None:
        """With a public channel that sends files."""
        self.edge("app", "create", app)
        self.edge("channel", "create", app, CHANNEL, "--public", "--policy", "none", "--prefer", "manifest")

    def add_channel(self, app: str, form: str, version: str) -> None:
        """One for devices that name it, which prefers this form."""
        self.edge("channel", "create", app, form, "--self-set", "--policy", "none", "--prefer", form)
        self.offer(app, version, form)


@contextlib.contextmanager
def serving(side: Side, folder: Path) -> Iterator[WanNode]:
    config = folder / "edge.toml"
    config.write_text(
        f'data_dir = "{folder / "data"}"\n'
        f'[devices]\nhost = "{side.address}"\nport = {DEVICE_PORT}\nworkers = 1\nconnections_per_address = 0\n'
        f'[control]\nport = {CONTROL_PORT}\n[log]\nlevel = "warning"\n'
    )
    node = WanNode(side, config, folder / "data")
    try:
        node.start()
        yield node
    finally:
        node.stop()


@contextlib.contextmanager
def serving_nginx(side: Side, folder: Path, root: Path) -> Iterator[None]:
    """nginx with `root`. Raises Missing."""
    nginx = need_program("nginx")
    config = folder / "nginx.conf"
    with (folder / "ceiling").open("wb") as file:
        file.truncate(CEILING_BYTES)
    config.write_text(NGINX.format(folder=folder, address=side.address, port=NGINX_PORT, root=root))
    with running(side.command([nginx, "-c", str(config)])):
        yield


def make_zip_bundle(folder: Path) -> Path:
    """A web folder whose zip has ZIP_BYTES, give or take its own directory: bytes that no compression shortens."""
    dice = random.Random(SEED)
    source = folder / "zip-app"
    source.mkdir()
    (source / "index.html").write_text("<!doctype html><title>five megabytes</title>")
    for number in range(ZIP_FILES):
        (source / f"part{number}.bin").write_bytes(dice.randbytes(ZIP_BYTES // ZIP_FILES))
    return source

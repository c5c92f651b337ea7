"""Published clients behind one face: a program in Node, or a page in Chromium, that does what it is told."""

import http.server
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import sync_playwright

from tests.worlds.region_node import Missing

HERE = Path(__file__).parent
OLDEST_NODE = 20  # has `fetch` and ES modules as the packages need them
INSTALL_SECONDS = 240
MODULES = {
    "@openfeature/core": "core/dist/esm/index.js",
    "@openfeature/web-sdk": "web-sdk/dist/esm/index.js",
    "@openfeature/ofrep-core": "ofrep-core/index.esm.js",
    "@openfeature/ofrep-web-provider": "ofrep-web-provider/index.esm.js",
}
IMPORTS = json.dumps({"imports": {name: f"/node_modules/@openfeature/{path}" for name, path in MODULES.items()}})
PAGE = (
    f"<!doctype html><title>app</title><script type=importmap>{IMPORTS}</script>"
    "<script type=module>import * as judge from '/client.mjs'; window.judge = judge</script>"
).encode()
KINDS = {".mjs": "text/javascript", ".js": "text/javascript"}


class Judge(Protocol):
    def ask(self, method: str, **options: Any) -> Any:
        """What the client says. Raises RuntimeError with its words."""


class NodeJudge:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, method: str, **options: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([method, options]), file=self._process.stdin, flush=True)
        while line := self._process.stdout.readline():
            if line.startswith('{"'):  # what the SDK logs goes there, too
                said = json.loads(line)
                if "failed" in said:
                    raise RuntimeError(said["failed"])
                return said["said"]
        raise RuntimeError("the client ended")


class PageJudge:
    def __init__(self, page: Any) -> None:
        self.page = page

    def ask(self, method: str, **options: Any) -> Any:
        return self.page.evaluate(
            "async ([method, options]) => (await judge[method](options)) ?? null", [method, options]
        )


@contextmanager
def installed(client: str) -> Iterator[Path]:
    """A folder with the packages of a client, "web" or "server", and our few lines. Raises Missing."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise Missing("npm and node are not installed")
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    if int(version.strip().removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        raise Missing(f"node is {version.strip()}; the packages need {OLDEST_NODE}")
    with tempfile.TemporaryDirectory(prefix="edge-ofrep-") as folder:
        for name in (f"{client}/package.json", f"{client}/client.mjs", "talk.mjs"):
            shutil.copy(HERE / name, folder)
        command = [npm, "install", "--silent", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if done.returncode:
            raise Missing(f"npm install failed; it needs a package registry: {done.stderr.strip()[-400:]}")
        yield Path(folder)


@contextmanager
def in_node(folder: Path) -> Iterator[NodeJudge]:
    """What is installed in the folder, as a program."""
    command = [shutil.which("node") or "node", "talk.mjs"]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield NodeJudge(process)
        finally:
            process.kill()


@contextmanager
def in_chromium(folder: Path) -> Iterator[PageJudge]:
    """On a page of another origin than any node's, from plain ES modules. Raises Missing."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise Missing("Chromium is not installed (Debian package chromium)")
    with _site(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(address)
            page.wait_for_function("() => window.judge !== undefined")
            yield PageJudge(page)
        finally:
            browser.close()


@contextmanager
def _site(folder: Path) -> Iterator[str]:
    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = (folder / self.path.lstrip("/")).resolve()
            is_file = self.path != "/" and file.is_relative_to(folder.resolve()) and file.is_file()
            kind, content = (
                (KINDS.get(file.suffix, "text/plain"), file.read_bytes()) if is_file else ("text/html", PAGE)
            )
            self.send_response(200)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()

"""A real Chromium updates a web app: it keeps the files of one release as dictionaries, and gets the next as patches.

The page does what PROTOCOL.md §5.9 says, and nothing else of it knows of patches. Between it and the node is a
front on localhost, which serves the page and writes down what is sent.
"""

import hashlib
import http.client
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from running_node import write_folder

APP = "com.acme.browser"
ANSWER_SECONDS = 120  # of a browser that starts on a busy machine; a failure is never a matter of seconds
PROBES = 500  # a browser stores a dictionary after the page has its file: each probe is a round trip later
QUESTION = {
    "platform": "android",
    "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
    "app_id": APP,
    "version_build": "1.0.0",
    "version_name": "1.0.0",
    "plugin_version": "8.51.14",
    "is_prod": True,
}
PAGE = """<!doctype html><script>
const sha256 = async bytes => Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)),
    byte => byte.toString(16).padStart(2, '0')).join('');

async function update(question) {
    const offer = await (await fetch('/updates', {method: 'POST', body: JSON.stringify(question),
        headers: {'Content-Type': 'application/json'}})).json();
    const files = {};
    for (const {file_name, file_hash} of offer.manifest) {
        const name = file_name.replace(/\\.br$/, '');
        const of = (await sha256(new TextEncoder().encode(name))).slice(0, 16);
        const answer = await fetch(`/bundles/${question.app_id}/file/${file_hash}?of=${of}`);
        files[name] = await sha256(await answer.arrayBuffer());
    }
    return {version: offer.version, files};
}

async function run() {
    for (;;) {
        const step = await (await fetch('/step', {cache: 'no-store'})).json();
        const done = step.question ? await update(step.question) : (await fetch(step.probe)).status;
        await fetch('/done', {method: 'POST', body: JSON.stringify(done)});
    }
}

run().catch(error => fetch('/done', {method: 'POST', body: JSON.stringify(String(error))}));
</script>"""


class Sent(NamedTuple):
    """One answer of the node to the browser."""

    path: str
    asked: dict[str, str]
    headers: dict[str, str]
    body_bytes: int


class Front(ThreadingHTTPServer):
    """Serves the page its steps, and passes everything else to the node as it is."""

    daemon_threads = True

    def __init__(self, node):
        super().__init__(("127.0.0.1", 0), Passing)
        self.node = node.devices.removeprefix("http://")
        self.steps, self.done, self.sent = queue.Queue(), queue.Queue(), []

    def step(self, **step):
        self.steps.put(step)
        return self.done.get(timeout=ANSWER_SECONDS)


class Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/":
            self.answer(200, {"Content-Type": "text/html"}, PAGE.encode())
        elif self.path == "/step":
            self.answer(200, {"Content-Type": "application/json"}, json.dumps(self.server.steps.get()).encode())
        else:
            self.pass_on(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/done":
            self.server.done.put(json.loads(body))
            self.answer(204, {}, b"")
        else:
            self.pass_on(body)

    def pass_on(self, body):
        connection = http.client.HTTPConnection(self.server.node, timeout=ANSWER_SECONDS)
        asked = dict(self.headers.items())
        connection.request(self.command, self.path, body, asked | {"Connection": "close"})
        answer = connection.getresponse()
        content, headers = answer.read(), dict(answer.getheaders())
        connection.close()
        self.server.sent.append(Sent(self.path, asked, headers, len(content)))
        self.answer(answer.status, {n: v for n, v in headers.items() if n not in ("Connection", "Date")}, content)

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextmanager
def page_at(front, folder):
    """Chromium with the page open, on a profile of its own."""
    serving = threading.Thread(target=front.serve_forever)
    serving.start()
    address = f"http://localhost:{front.server_address[1]}/"  # a secure context, without TLS
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    browser = subprocess.Popen([*command, f"--user-data-dir={folder}", address], start_new_session=True, **streams)
    try:
        yield
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        front.shutdown()
        front.server_close()
        serving.join()


def publish(node, folder, version):
    noise = random.Random(7).randbytes(200_000).hex()
    files = {
        "index.html": b"<!doctype html>",
        "assets/app.js": f"// build {version}\n{noise}".encode(),
        "assets/style.css": f"{noise[:50_000]}\n/* {version} */".encode(),
    }
    write_folder(folder / version, files)
    node.json("bundle", "publish", APP, folder / version, "--version", version, "--channel", "production")
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def until_known(front, names):
    """Until the browser says of addresses with each of these names that it has a dictionary."""
    for name in names:
        address = f"/bundles/{APP}/file/%064x?of={hashlib.sha256(name.encode()).hexdigest()[:16]}"
        for probe in range(PROBES):
            assert front.step(probe=address % probe) == 404
            if any(name == "available-dictionary" for name in map(str.lower, front.sent[-1].asked)):
                break
        else:
            pytest.fail(f"Chromium keeps no dictionary of {name}: {front.sent[-1]}")


@pytest.mark.long
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed (Debian package chromium)")
def test_chromium_updates_a_web_app_by_patches(node, tmp_path):
    node.text("app", "create", APP)
    node.text("channel", "create", APP, "production", "--public")
    node.text("channel", "set", APP, "production", "--prefer", "manifest")
    front = Front(node)
    first = publish(node, tmp_path, "1.0.1")
    with page_at(front, tmp_path / "profile"):
        assert front.step(question=QUESTION) == {"version": "1.0.1", "files": first}
        assert all("Content-Encoding" not in each.headers for each in front.sent if "/file/" in each.path)
        until_known(front, ["assets/app.js", "assets/style.css"])
        second = publish(node, tmp_path, "1.0.2")
        del front.sent[:]
        assert front.step(question=QUESTION) == {"version": "1.0.2", "files": second}
    sent = {each.path.rpartition("/")[2].partition("?")[0]: each for each in front.sent if "/file/" in each.path}
    assert set(sent) == {second["assets/app.js"], second["assets/style.css"]}  # what did not change is in its cache
    assert {each.headers.get("Content-Encoding") for each in sent.values()} == {"dcz"}
    assert sum(each.body_bytes for each in sent.values()) < 500

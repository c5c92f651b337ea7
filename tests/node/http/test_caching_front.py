"""nginx as a caching edge (config/nginx-cdn.conf) in front of a node: a release costs the node one fetch a file."""

import hashlib
import http.client
import json
import ssl
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import fronts
import pytest
from certificates import a_certificate
from running_node import serving_node, web_build, write_folder

from benchmarks.ports import free_port

APP = "com.acme.app"
CHECK = {
    "platform": "android",
    "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
    "app_id": APP,
    "version_build": "1.0.0",
    "version_name": "1.0.0",
    "plugin_version": "8.51.14",
}
DEVICES = 12

pytestmark = pytest.mark.long


class Cdn:
    def __init__(self, node, port, pair, log):
        self.node, self.log, self.url, self.asked = node, log, f"https://localhost:{port}", []
        self._port, self._context = port, ssl.create_default_context(cafile=pair.certificate)

    def offer(self):
        address = urlsplit(self.node.devices)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
        with closing(connection):
            connection.request("POST", "/updates", json.dumps(CHECK), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())

    def get(self, url, **headers):
        parts = urlsplit(url)
        self.asked.append(parts.path)
        connection = http.client.HTTPSConnection("localhost", self._port, timeout=60, context=self._context)
        with closing(connection):
            connection.request("GET", f"{parts.path}?{parts.query}".rstrip("?"), headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def fetched(self):
        """How often each address was fetched from the node so far, once all that was asked for is in nginx's log."""
        until = time.monotonic() + 60
        while len(lines := self.log.read_text().splitlines()) < len(self.asked):
            assert time.monotonic() < until
        told = (line.split() for line in lines)
        return Counter(path for path, fetched_from in told if fetched_from != "-")


@pytest.fixture(scope="module")
def cdn(tmp_path_factory):
    if reason := fronts.why_not("nginx"):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cdn")
    port, pair = free_port(), a_certificate(folder)
    with ExitStack() as stack:
        node = stack.enter_context(serving_node(folder, EDGE_DEVICES_BUNDLES_URL=f"https://localhost:{port}"))
        node.text("app", "create", APP)
        node.text("channel", "create", APP, "production", "--public")
        command = fronts.nginx_cdn(folder, port, node.devices.removeprefix("http://"), pair)
        stack.enter_context(fronts.running(command, folder, port))
        yield Cdn(node, port, pair, folder / "fetches.log")


def publish(cdn, tmp_path, version):
    build = write_folder(tmp_path / "build", web_build(int(version.rpartition(".")[2])))
    cdn.node.text("bundle", "publish", APP, build, "--version", version, "--channel", "production")
    return cdn.offer()


def test_a_release_costs_the_node_one_fetch_a_file(cdn, tmp_path):
    offer = publish(cdn, tmp_path, "1.0.1")
    urls = [entry["download_url"] for entry in offer["manifest"]]
    assert all(url.startswith(f"{cdn.url}/bundles/{APP}/file/") for url in urls) and len(urls) > 20
    before = cdn.fetched()
    with ThreadPoolExecutor(DEVICES) as devices:
        answers = list(devices.map(cdn.get, urls * DEVICES))
    assert {status for status, _, _ in answers} == {200}
    for url, (_, headers, body) in zip(urls * DEVICES, answers, strict=True):
        digest = urlsplit(url).path.rpartition("/")[2]
        assert hashlib.sha256(body).hexdigest() == digest and headers["ETag"] == f'"{digest}"'
        assert headers["Access-Control-Allow-Origin"] == "*"
    fetched = cdn.fetched() - before
    assert set(fetched) == {urlsplit(url).path for url in urls}
    assert set(fetched.values()) == {1}, "each file once, although all devices asked at once"


def test_a_zip_is_fetched_once_and_continued_by_the_node(cdn, tmp_path):
    url = publish(cdn, tmp_path, "1.0.2")["url"]
    assert url.startswith(f"{cdn.url}/bundles/{APP}/zip/")
    before, base = cdn.fetched(), url.partition("?")[0]
    wholes = [cdn.get(f"{base}{end}") for end in ("", "?end=whole", "?end=empty", "?end=whole")]
    assert {status for status, _, _ in wholes} == {200} and len({body for _, _, body in wholes}) == 1
    assert [headers["X-Cache"] for _, headers, _ in wholes] == ["MISS", "HIT", "HIT", "HIT"]
    path, whole = urlsplit(base).path, wholes[0][2]
    assert cdn.fetched() - before == Counter({path: 1})
    status, _, rest = cdn.get(f"{base}?end=whole", Range="bytes=1000-")
    assert (status, rest) == (206, whole[1000:])
    past = f"bytes={len(whole)}-"
    assert cdn.get(f"{base}?end=whole", Range=past)[::2] == (200, whole)
    status, headers, rest = cdn.get(f"{base}?end=empty", Range=past)
    assert (status, headers["Content-Range"], rest) == (206, f"bytes */{len(whole)}", b"")
    assert cdn.get(base, Range=past)[0] == 416


def test_ranges_of_a_file_come_from_the_cache(cdn, tmp_path):
    url = next(e["download_url"] for e in publish(cdn, tmp_path, "1.0.3")["manifest"] if "photo" in e["file_name"])
    _, _, whole = cdn.get(url)
    before = cdn.fetched()
    assert cdn.get(url, Range="bytes=1000-")[::2] == (206, whole[1000:])
    assert cdn.fetched() == before


def test_what_is_not_there_is_not_kept(cdn):
    address = f"{cdn.url}/bundles/{APP}/file/{'0' * 64}"
    before = cdn.fetched().total()
    for number in range(1, 4):
        status, headers, _ = cdn.get(address)
        assert (status, headers["Cache-Control"]) == (404, "no-store")
        assert cdn.fetched().total() == before + number


def test_nothing_but_bundles_is_there(cdn):
    assert cdn.get(f"{cdn.url}/updates")[0] == cdn.get(f"{cdn.url}/livez")[0] == 404


def test_an_explanation_shows_the_address_of_the_cdn(cdn, tmp_path):
    publish(cdn, tmp_path, "1.0.4")
    shown = cdn.node.json("explain", APP, "--device", CHECK["device_id"], "--platform", "android")
    assert cdn.url in json.dumps(shown["answer"])

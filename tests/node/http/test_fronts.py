"""The shipped nginx and Caddy configurations in front of a real node pass on intact what devices rely on."""

import gzip
import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import fronts
import pytest
from certificates import Files, a_certificate
from running_node import Node, serving_node, web_build, write_folder
from telemetry_lines import stored

from benchmarks.ports import free_port
from edge.cli.terminal.client import ControlClient
from edge.node.service.limits.admission import FIELD_LIMIT_BYTES, FIELDS_LIMIT, LINE_LIMIT_BYTES
from edge.node.service.reports.networks import Networks
from edge.telemetry.spool.record import parse_line
from edge.wire.manifest_size import MANIFEST_SIZE_BODY_LIMIT_BYTES
from edge.wire.stats import STATS_BODY_LIMIT_BYTES

APP = "com.acme.app"
CHECK = {
    "platform": "android",
    "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
    "app_id": APP,
    "version_build": "1.0.0",
    "version_name": "1.0.0",
    "plugin_version": "8.51.14",
}
DEVICE_ADDRESS = "127.0.0.5"
PROMPT_SECONDS = 60.0
CHECKS = 500
FRONT_FIELDS = 9  # that the client below and the fronts add to a head
CADDY_READS_BYTES = 4096  # at once; what is shorter is never cut


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Front(NamedTuple):
    name: str
    port: int
    pair: Files
    node_log: Path
    node: Node

    @property
    def public_url(self) -> str:
        return f"https://localhost:{self.port}"

    def ask(self, method, url, body=None, **headers) -> Answer:
        """From an address of our own, in a new connection. Underscores in header names are hyphens."""
        context = ssl.create_default_context(cafile=self.pair.certificate)
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=PROMPT_SECONDS, source_address=(DEVICE_ADDRESS, 0), context=context
        )
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            parts = urlsplit(url)
            connection.request(method, f"{parts.path}?{parts.query}".rstrip("?"), body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def check(self, **headers) -> Answer:
        return self.ask("POST", "/updates", json.dumps(CHECK), Content_Type="application/json", **headers)

    def by_http_2(self, path, *options) -> int:
        """The status that curl gets, from the same address."""
        command = ["curl", "-s", "--http2", "--cacert", str(self.pair.certificate), "--interface", DEVICE_ADDRESS]
        command += ["-o", "/dev/null", "-w", "%{http_code} %{http_version}", *options]
        said = subprocess.run([*command, f"{self.public_url}{path}"], capture_output=True, text=True, check=True)
        status, version = said.stdout.split()
        assert version == "2"
        return int(status)

    def counts(self) -> Counter:
        """What the node's worker has counted so far."""
        token = (self.node.data_dir / "node" / "admin.token").read_text().strip()
        client = ControlClient(self.node.control, token)
        try:
            return Counter(client.get("/v1/node")["workers"][0]["counts"])
        finally:
            client.close()

    def lines(self, count) -> list[dict]:
        """The access log, once it has so many lines."""
        until = time.monotonic() + PROMPT_SECONDS
        while self.node_log.read_bytes().count(b"edge.access") < count:
            assert time.monotonic() < until
        return [json.loads(line) for line in self.node_log.read_text().splitlines() if "edge.access" in line]

    def offer(self) -> dict:
        answer = self.check()
        assert answer.status == 200
        return json.loads(answer.body)


@contextmanager
def errors_into(path):
    """Standard error of every process started inside goes to the file."""
    kept = os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(request, tmp_path_factory):
    if reason := fronts.why_not(request.param):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp(request.param)
    port, pair = free_port(), a_certificate(folder)
    settings = {
        "EDGE_DEVICES_PUBLIC_URL": f"https://localhost:{port}",
        "EDGE_DEVICES_TRUSTED_PROXIES": "127.0.0.1",
        "EDGE_LOG_ACCESS": "true",
        "EDGE_LOG_FORMAT": "json",
    }
    with ExitStack() as stack:
        with errors_into(folder / "node.log"):
            node = stack.enter_context(serving_node(folder, **settings))
        node.text("app", "create", APP)
        node.text("channel", "create", APP, "production", "--public")
        build = write_folder(folder / "build", web_build(1))
        node.text("bundle", "publish", APP, build, "--version", "1.0.1", "--channel", "production")
        command = getattr(fronts, request.param)(folder, port, node.devices.removeprefix("http://"), pair)
        stack.enter_context(fronts.running(command, folder, port))
        yield Front(request.param, port, pair, folder / "node.log", node)


def digest_of(offer) -> str:
    return urlsplit(offer["url"]).path.rpartition("/")[2]


@pytest.mark.long
def test_a_device_is_offered_what_it_can_fetch_through_the_front(front):
    offer = front.offer()
    assert offer["url"].startswith(f"{front.public_url}/bundles/{APP}/zip/")
    whole = front.ask("GET", offer["url"], Accept_Encoding="gzip, br")
    assert (whole.status, hashlib.sha256(whole.body).hexdigest()) == (200, digest_of(offer))
    assert whole.headers["ETag"] == f'"{digest_of(offer)}"' and whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Encoding"] is None and "immutable" in whole.headers["Cache-Control"]
    assert int(whole.headers["Content-Length"]) == len(whole.body)


def test_a_head_has_the_length_and_no_body(front):
    offer = front.offer()
    head, whole = front.ask("HEAD", offer["url"]), front.ask("GET", offer["url"])
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole.body)))


def test_single_files_arrive_as_they_are_stored_packed_ones_too(front):
    entries = front.offer()["manifest"]
    assert any(entry["file_name"].endswith(".br") for entry in entries)
    for entry in entries[:5] + [entry for entry in entries if entry["file_name"].endswith(".br")][:2]:
        got = front.ask("GET", entry["download_url"], Accept_Encoding="gzip, br")
        assert (got.status, got.headers["Content-Encoding"]) == (200, None)
        digest = urlsplit(entry["download_url"]).path.rpartition("/")[2]
        assert hashlib.sha256(got.body).hexdigest() == digest


def test_ranges_and_preconditions_are_the_nodes_own(front):
    offer = front.offer()
    whole = front.ask("GET", offer["url"]).body
    tag = f'"{digest_of(offer)}"'
    unchanged = front.ask("GET", offer["url"], If_None_Match=tag)
    assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", tag)
    part = front.ask("GET", offer["url"], Range="bytes=100-299")
    assert (part.status, part.body, part.headers["ETag"]) == (206, whole[100:300], tag)
    assert part.headers["Content-Range"] == f"bytes 100-299/{len(whole)}"
    resumed = front.ask("GET", offer["url"], Range=f"bytes={len(whole) - 7}-", If_Range=tag)
    assert (resumed.status, resumed.body) == (206, whole[-7:])
    changed = front.ask("GET", offer["url"], Range="bytes=100-", If_Range='"another"')
    assert (changed.status, changed.body) == (200, whole)
    beyond = front.ask("GET", offer["url"].partition("?")[0], Range=f"bytes={len(whole)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")


def test_no_answer_over_http_1_is_cut_short(front):
    """Caddy cuts one in 100 to 300 short if it does not buffer them."""
    plain = {len(front.check(Accept_Encoding="identity").body) for _ in range(CHECKS)}
    assert len(plain) == 1 and plain.pop() > CADDY_READS_BYTES


def test_a_large_offer_is_packed_by_the_node_for_who_takes_it(front):
    packed, plain = front.check(Accept_Encoding="gzip"), front.check(Accept_Encoding="identity")
    assert (packed.headers["Content-Encoding"], plain.headers["Content-Encoding"]) == ("gzip", None)
    assert json.loads(gzip.decompress(packed.body)) == json.loads(plain.body)
    assert len(packed.body) < len(plain.body) / 2 and packed.headers["Vary"] == "Accept-Encoding"


def test_the_node_knows_the_devices_address_and_believes_no_device_about_it(front):
    before = front.node_log.read_bytes().count(b"edge.access")
    assert front.check(X_Forwarded_For="203.0.113.99", X_Request_Id="a-device-s-own").status == 200
    lines = front.lines(before + 1)
    assert {line["peer"] for line in lines} == {DEVICE_ADDRESS}
    named = [line["request"] for line in lines]
    assert all(named) and "a-device-s-own" not in named and len(set(named)) == len(named)


def test_a_report_is_stored_with_the_number_of_the_devices_own_network(front):
    """Not of the front's, and never with the address. It is on disk before it is answered."""
    event = json.dumps(CHECK | {"action": "set", "version_name": "6.5.4"})
    assert front.ask("POST", "/stats", event, X_Forwarded_For="203.0.113.99").status == 200
    stored_lines = [line for line in stored(front.node.data_dir / "node/telemetry/spool") if b"6.5.4" in line]
    key = (front.node.data_dir / "node/net.key").read_bytes()
    assert {parse_line(line).net for line in stored_lines} == {Networks(key).number_of(DEVICE_ADDRESS)}
    assert not any(address in line for line in stored_lines for address in (b"127.0.0", b"203.0.113"))


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_whatever_devices_usually_ask_stays_in_the_lane(front, protocol):
    """With the access log on; the connections behind are kept, and shared by all devices."""
    if protocol == "HTTP/2" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    offer, before, asked = front.offer(), front.counts(), front.node_log.read_bytes().count(b"edge.access")
    event = json.dumps(CHECK | {"action": "set", "version_os": "14", "is_prod": True, "is_emulator": False})
    json_type = ("-H", "Content-Type: application/json")
    for _ in range(3):
        if protocol == "HTTP/2":
            assert front.by_http_2("/updates", *json_type, "-d", json.dumps(CHECK)) == 200
            assert front.by_http_2("/stats", *json_type, "-d", event) == 200
            assert front.by_http_2(urlsplit(offer["url"]).path) == 200
        else:
            assert front.check().status == 200
            assert front.ask("POST", "/stats", event, Content_Type="application/json").status == 200
            assert front.ask("GET", offer["url"], Range="bytes=100-299").status == 206
    front.lines(asked + 9)
    spent = front.counts() - before
    assert (spent["lane_checks"], spent["lane_reports"], spent["lane_deliveries"]) == (3, 3, 3)
    assert spent["lane_handed_over"] == 0


def test_a_kept_connection_that_an_unusual_request_has_used_is_the_lanes_again(front):
    before = front.counts()
    for _ in range(3):
        assert front.ask("GET", f"/channel_self?app_id={APP}&platform=android").status == 200
        assert front.check().status == 200
    spent = front.counts() - before
    assert (spent["lane_handed_over"], spent["lane_taken_back"], spent["lane_checks"]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("route", "limit_bytes", "taken"),
    [("/updates/manifest_size", MANIFEST_SIZE_BODY_LIMIT_BYTES, 400), ("/stats", STATS_BODY_LIMIT_BYTES, 200)],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_the_nodes_limit_reaches_it_and_one_beyond_gets_its_refusal(
    front, route, limit_bytes, taken, chunked
):
    """A text is no manifest, which the node says with a 400; white space beyond a limit is refused there."""
    start, padding, end = (b'"', b"x", b'"') if taken == 400 else (b"[", b" ", b"]")
    for size_bytes, status in ((limit_bytes, taken), (limit_bytes + 1, 413)):
        body = start + padding * (size_bytes - 2) + end
        answer = front.ask("POST", route, iter([body]) if chunked else body, Content_Type="application/json")
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")


LONG_HEADS = {
    "a long address": ("/livez?" + "a" * (LINE_LIMIT_BYTES - 50), {}),
    "a long field": ("/livez", {"X_Long": "a" * (FIELD_LIMIT_BYTES - 50)}),
    "many fields": ("/livez", {f"X_{n}": "a" for n in range(FIELDS_LIMIT - FRONT_FIELDS)}),
    "a long head": ("/livez", {f"X_{n}": "a" * 5_000 for n in range(6)}),
}


@pytest.mark.parametrize("head", LONG_HEADS)
def test_a_head_of_the_nodes_limits_reaches_it(front, head):
    url, headers = LONG_HEADS[head]
    assert front.ask("GET", url, **headers).status == 200


def test_a_head_beyond_the_nodes_limits_is_refused(front):
    assert front.ask("GET", "/livez", **{f"X_{n}": "a" for n in range(FIELDS_LIMIT)}).status == 400


def test_http_2_is_spoken_and_by_caddy_http_3_offered(front):
    assert fronts.protocol_of(front.port, front.pair) == "h2"
    if front.name == "caddy":
        assert f'h3=":{front.port}"' in front.check().headers["Alt-Svc"]

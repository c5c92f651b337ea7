"""The module for apps, in a real Chromium against a real node of another origin.

A page on localhost loads the module, with its types taken off by `plain_script`, and tracks what a test says.
"""

import json
import shutil
import subprocess
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from places import ROOT
from plain_script import without_space, without_types
from playwright.sync_api import sync_playwright
from running_node import app_name, serving_node

from benchmarks.ports import free_port
from edge.telemetry.spool.app_records import UsedLine
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.record import parse_line
from edge.telemetry.spool.segment import read_frames, read_header

SIZE_LIMIT_BYTES = 2_048  # without types, comments and meaningless space; names as written
MODULE = ROOT / "edge" / "client" / "events.ts"
SCRIPT = without_types(MODULE.read_text())
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
PROBES = 2_000  # round trips to the node until it has what a page that is gone has sent
WAITING_MS = 120_000  # of a browser on a busy machine; a failure is never a matter of time
PAGE = b"<!doctype html><title>app</title><script type=module>import * as m from '/events.js'; window.m = m</script>"
OPEN = "(options) => { window.events = m.createEvents(options) }"
QUEUE = "JSON.parse(localStorage.getItem('edge/' + app) || '[]')"
FAILED = "queue.length && queue.every(each => each.sent === 0)"  # to be sent again
TSC = shutil.which("tsc")

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is not installed (Debian package chromium)"
)


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        kind, content = ("text/javascript", SCRIPT.encode()) if self.path == "/events.js" else ("text/html", PAGE)
        self.send_response(200)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    serving.join()


class Phone:
    """A browser's profile with the app: pages of one origin, and their faults."""

    def __init__(self, browser, site, node, app, **more):
        self.context, self.site, self.app, self.faults = browser.new_context(), site, app, []
        self.context.set_default_timeout(WAITING_MS)
        self.options = {"url": node.devices, "app_id": app, "device_id": DEVICE, "platform": "web"} | more

    def open(self, prepare=lambda page: None):
        page = self.context.new_page()
        page.on("pageerror", lambda fault: self.faults.append(fault))  # playwright marks what it is given
        prepare(page)
        page.goto(self.site)
        page.wait_for_function("window.m")
        page.evaluate(OPEN, self.options)
        return page

    def queue(self, page):
        return page.evaluate(f"(app) => {QUEUE}", self.app)

    def wait(self, page, condition):
        """Until it is true of the `queue`."""
        page.wait_for_function(f"(app) => {{ const queue = {QUEUE}; return {condition} }}", arg=self.app)

    def wait_until_sent(self, page):
        self.wait(page, "!queue.length")


@pytest.fixture
def phone_of(browser, site, node, request):
    """Makes phones with an app of the test's own; no page of theirs may have an uncaught error."""
    made = []

    def make(on=node, **more):
        made.append(Phone(browser, site, on, app_name(request), **more))
        on.text("app", "create", made[-1].app)
        return made[-1]

    yield make
    for phone in made:
        phone.context.close()
        assert phone.faults == []


def track(page, *events):
    page.evaluate("(events) => { for (const each of events) window.events.track(...each) }", list(events))


def flush(page):
    page.evaluate("() => window.events.flush()")


def many(word, count, labels=None):
    return [["feature", f"{word}-{number}", None, labels or {}] for number in range(count)]


def names_of(found):
    return [each.name for each in found]


def events_at(node, app):
    """What the node has on disk of the app, in the order of arrival, resends included."""
    found = []
    for path in sorted((node.data_dir / "node" / "telemetry" / "spool").glob("*-*-*")):
        with open_segment(path) as file:
            read_header(file)
            lines = [parse_line(line) for frame in read_frames(file) for line in frame.records]
        found += [each.used for each in lines if isinstance(each, UsedLine) and each.used.app == app]
    return [event for used in found for event in used.of]


def wait_for_events(node, app, count):
    for _ in range(PROBES):
        if len(found := events_at(node, app)) >= count:
            return found
        urllib.request.urlopen(f"{node.devices}/livez").close()
    pytest.fail(f"the node has {found}")


@contextmanager
def answering(page, answers):
    """The node's answers, but for those that `answers` gives, each once; counts requests."""
    asked = []

    def handle(route):
        asked.append(json.loads(route.request.post_data))
        answer = answers.pop(0) if answers else None
        if answer is None:
            route.continue_()
        else:
            answer(route)

    page.route("**/events", handle)
    yield asked


def refused(status, **headers):
    cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda route: route.fulfill(status=status, headers=cors | named, body="{}")


def lost(route):
    """The node gets the request, and the page no answer."""
    route.fetch()
    route.abort()


def test_the_module_is_as_small_as_it_says():
    assert len(without_space(SCRIPT).encode()) <= SIZE_LIMIT_BYTES


@pytest.mark.skipif(TSC is None, reason="TypeScript is not installed (npm install -g typescript)")
def test_the_module_is_sound_typescript():
    options = ["--strict", "--noEmit", "--target", "es2020", "--lib", "es2020,dom"]
    done = subprocess.run([TSC, *options, MODULE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.long
@needs_chromium
def test_what_is_tracked_reaches_the_node(phone_of, node):
    phone = phone_of(custom_id="user-7")
    (key,) = node.json("app", "key", "make", phone.app)["event_keys"]
    phone.options["key"] = key["key"]
    page = phone.open()
    track(page, ["screen", "/settings"], ["purchase", "checkout", 9.5, {"currency": "EUR"}], ["duration", "load", 0.25])
    flush(page)
    phone.wait_until_sent(page)
    found = events_at(node, phone.app)
    assert [(each.kind, each.name, each.value, each.labels) for each in found] == [
        ("screen", "/settings", None, {}),
        ("purchase", "checkout", 9.5, {"currency": "EUR"}),
        ("duration", "load", 0.25, {}),
    ]
    assert len({each.at_ms for each in found}) == 3


@pytest.mark.long
@needs_chromium
def test_events_are_sent_soon_without_being_asked_to(phone_of, node):
    phone = phone_of()
    page = phone.open()
    track(page, ["feature", "cart"])
    phone.wait_until_sent(page)
    assert names_of(events_at(node, phone.app)) == ["cart"]


@pytest.mark.long
@needs_chromium
def test_what_is_tracked_offline_is_sent_online(phone_of, node):
    phone = phone_of()
    page = phone.open()
    phone.context.set_offline(True)
    track(page, *many("offline", 40))
    flush(page)
    phone.wait(page, FAILED)
    assert events_at(node, phone.app) == []
    phone.context.set_offline(False)
    phone.wait_until_sent(page)
    assert names_of(events_at(node, phone.app)) == [f"offline-{number}" for number in range(40)]


@pytest.mark.long
@needs_chromium
def test_what_a_page_left_behind_is_sent_by_the_next_one(phone_of, node):
    phone = phone_of()
    page = phone.open()
    phone.context.set_offline(True)
    track(page, ["error", "crash"])
    page.close()
    phone.context.set_offline(False)
    page = phone.open()
    phone.wait_until_sent(page)
    assert names_of(events_at(node, phone.app)) == ["crash"]


@pytest.mark.long
@needs_chromium
def test_a_page_that_goes_sends_what_it_has(phone_of, node):
    phone = phone_of()
    page = phone.open()
    track(page, ["screen", "/last"])
    page.goto("about:blank")
    assert names_of(wait_for_events(node, phone.app, 1)) == ["/last"]


@pytest.mark.long
@needs_chromium
def test_an_older_browser_sends_a_beacon_when_its_page_goes(phone_of, node):
    phone = phone_of()
    page = phone.open(lambda page: page.add_init_script("delete Request.prototype.keepalive"))
    track(page, ["screen", "/last"])
    page.goto("about:blank")
    assert names_of(wait_for_events(node, phone.app, 1)) == ["/last"]
    page.goto(phone.site)
    assert phone.queue(page) == []


@pytest.mark.long
@needs_chromium
def test_an_answer_that_is_lost_has_the_same_events_sent_again(phone_of, node):
    phone = phone_of()
    page = phone.open()
    with answering(page, [lost]) as asked:
        track(page, ["feature", "cart"], ["feature", "cart"])
        flush(page)
        phone.wait_until_sent(page)
        assert len(asked) == 2
    found = events_at(node, phone.app)
    assert len(found) == 4  # on disk: the node tells resends by name and time when it counts
    assert found[:2] == found[2:] and found[0].at_ms != found[1].at_ms
    (counted,) = node.json("stats", phone.app)["features"]
    assert (counted["name"], counted["events"]["value"], counted["devices"]["value"]) == ("cart", 2, 1)


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("status", [429, 503])
def test_the_node_says_when_to_come_again(phone_of, status):
    phone = phone_of()
    page = phone.open(lambda page: page.clock.install())
    with answering(page, [refused(status, Retry_After="60")]) as asked:
        track(page, ["feature", "cart"])
        flush(page)
        phone.wait(page, FAILED)
        page.clock.run_for(59_000)
        flush(page)
        page.evaluate("() => dispatchEvent(new Event('online'))")
        page.evaluate("() => dispatchEvent(new Event('pagehide'))")
        assert len(asked) == 1
        page.clock.run_for(32_000)  # and up to half as much again, so that not all devices come at once
        phone.wait_until_sent(page)
        assert len(asked) == 2


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_the_node_will_never_take_is_dropped(phone_of, status):
    phone = phone_of()
    page = phone.open()
    with answering(page, [refused(status)]) as asked:
        track(page, ["feature", "cart"])
        flush(page)
        phone.wait_until_sent(page)
        assert len(asked) == 1


@pytest.mark.long
@needs_chromium
def test_what_is_too_large_is_sent_in_smaller_parts(phone_of, node):
    phone = phone_of()
    page = phone.open()
    phone.context.set_offline(True)
    track(page, *many("large", 60, {f"label{number}": "ä" * 128 for number in range(8)}))
    phone.context.set_offline(False)
    phone.wait_until_sent(page)
    assert names_of(events_at(node, phone.app)) == [f"large-{number}" for number in range(60)]


@pytest.mark.long
@needs_chromium
def test_an_event_whose_answer_never_came_is_given_up_before_it_would_count_twice(phone_of, node):
    phone = phone_of()
    page = phone.context.new_page()
    page.goto(phone.site)
    leave = """(slot) => {
        const left = (name, time, minutes) => ({kind: 'feature', name, time, sent: Date.now() - minutes * 60_000});
        localStorage.setItem(slot, JSON.stringify([left('old', 1, 56), left('young', 2, 50)]));
    }"""
    page.evaluate(leave, f"edge/{phone.app}")
    page.close()
    page = phone.open()
    phone.wait_until_sent(page)
    assert names_of(events_at(node, phone.app)) == ["young"]


@pytest.mark.long
@needs_chromium
def test_the_latest_events_are_kept_and_no_more(phone_of):
    phone = phone_of()
    page = phone.open()
    phone.context.set_offline(True)
    track(page, *many("many", 250))
    assert [each["name"] for each in phone.queue(page)] == [f"many-{number}" for number in range(50, 250)]


BROKEN = {
    "none": "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})",
    "full": "Storage.prototype.setItem = () => { throw new Error('full') }",
    "no functions": "Storage.prototype.setItem = Storage.prototype.getItem = undefined",
    "half a text": "localStorage.setItem('edge/APP', '[{')",
    "an object": "localStorage.setItem('edge/APP', '{}')",
    "nothing in it": "localStorage.setItem('edge/APP', '[null]')",
}


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("broken", BROKEN)
def test_without_a_storage_that_works_events_are_sent_all_the_same(phone_of, node, broken):
    phone = phone_of()
    script = f"if (location.protocol == 'http:') {{ {BROKEN[broken].replace('APP', phone.app)} }}"
    page = phone.open(lambda page: page.add_init_script(script))
    track(page, ["feature", "one"], ["feature", "two"])
    flush(page)
    assert names_of(wait_for_events(node, phone.app, 2)) == ["one", "two"]


@pytest.mark.long
@needs_chromium
def test_what_cannot_be_sent_is_left_out_without_an_error(phone_of, node):
    phone = phone_of()
    page = phone.open()
    page.evaluate("() => { const loop = {}; loop.loop = loop; window.events.track('feature', 'loop', 1, loop) }")
    page.evaluate("() => window.events.track('feature', 'big', 1n)")
    track(page, ["feature", "fine"])
    flush(page)
    phone.wait_until_sent(page)
    assert names_of(events_at(node, phone.app)) == ["fine"]


@pytest.mark.long
@needs_chromium
def test_what_is_tracked_while_the_node_restarts_arrives(phone_of, tmp_path):
    here = str(free_port())
    with serving_node(tmp_path, EDGE_DEVICES_PORT=here) as before:
        phone = phone_of(before)
        page = phone.open()
        track(page, ["feature", "before"])
        flush(page)
        phone.wait_until_sent(page)
    track(page, ["feature", "meanwhile"])
    flush(page)
    phone.wait(page, FAILED)
    with serving_node(tmp_path, EDGE_DEVICES_PORT=here) as after:
        phone.wait_until_sent(page)
        assert names_of(events_at(after, phone.app)) == ["before", "meanwhile"]

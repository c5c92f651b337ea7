"""A real browser receives messages: `python -m tests.drills.push_browser` (needs firefox-esr; no network).

Debian's Firefox without a screen, with its push service on loopback, opens a page that subscribes with the key of a
real node and registers there itself. Then `edge push test` and a whole message (previewed, created, planned, sent) go
to it. Seen is what Firefox decrypted: the page's service worker posts the event's text. Exit code 1 if one does not
arrive.

Not run: the push services of Mozilla, Google, Microsoft and Apple; whether a notification is shown, since a browser
without a screen has nowhere to.
"""

import asyncio
import json
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

from edge.assembly.standalone import Standalone
from edge.cli.terminal.client import ControlClient, app_path
from edge.config import Config, Control, Devices, PushOptions

sys.path.insert(0, str(Path(__file__).parent.parent / "worlds"))
from push.browser_service import BrowserService
from push.firefox import FIREFOX, firefox, make_profile

APP = "com.example.browser"
DEVICE = str(uuid.UUID(int=7))
SUBSCRIBE_SECONDS = 180.0  # the first 15 s after the start Firefox hangs, and a busy machine takes its time
ARRIVE_SECONDS = 120.0
LOOK_SECONDS = 1.0

PAGE = """<!doctype html><meta charset="utf-8"><title>push</title><script>
const post = (what) => fetch('/said', {method: 'POST', body: JSON.stringify(what)});
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const within = (promise, ms) => Promise.race([promise, sleep(ms).then(() => { throw new Error('no answer'); })]);
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
(async () => {
  await navigator.serviceWorker.register('/worker.js');
  const worker = await navigator.serviceWorker.ready;
  await sleep(15000);
  let subscription;
  for (let left = 6; left && !subscription; left--) {
    try {
      const asked = {userVisibleOnly: true, applicationServerKey: bytes('KEY')};
      subscription = await within(worker.pushManager.subscribe(asked), 20000);
    } catch (error) { await post({failed: String(error)}); await sleep(2000); }
  }
  const given = subscription.toJSON();
  const answer = await fetch('NODE/push/register', {method: 'POST', headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({app_id: 'APP', device_id: 'DEVICE', provider: 'webpush', consent: true,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, platform: 'web', subscription: given})});
  await post({subscription: given, registered: answer.status, said: await answer.json(), agent: navigator.userAgent});
})().catch((error) => post({failed: String(error)}));
</script>"""

WORKER = """
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('push', (event) => event.waitUntil(
  fetch('/said', {method: 'POST', body: JSON.stringify({event: event.data.json()})})));
"""


class Site:
    """The app's own server: its page, its service worker, and what both say."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.changed = asyncio.Event()
        self.page = ""
        self.origin = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", lambda _: _text(self.page, "text/html"))
        app.router.add_get("/worker.js", lambda _: _text(WORKER, "text/javascript"))
        app.router.add_post("/said", self._hear)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "localhost", 0).start()
        self.origin = f"http://localhost:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def until(self, wanted: str, seconds: float, count: int = 1) -> list[Any]:
        """What was said under this word, once there is so much of it. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(found := [each[wanted] for each in self.said if wanted in each]) < count:
                self.changed.clear()
                await self.changed.wait()
        return found

    async def _hear(self, request: web.Request) -> web.Response:
        self.said.append(json.loads(await request.text()))
        self.changed.set()
        return web.Response()


async def _text(content: str, kind: str) -> web.Response:
    return web.Response(text=content, content_type=kind)


async def run(folder: Path) -> bool:
    service, site = BrowserService(), Site()
    place = await service.start()
    await site.start()
    push = PushOptions(webpush_hosts=(place,), allowed_networks=("127.0.0.1", "::1"))
    devices = Devices(host="127.0.0.1", port=0, workers=1)
    (folder / "data").mkdir()
    node = Standalone(Config(data_dir=str(folder / "data"), devices=devices, control=Control(port=0), push=push))
    try:
        async with node.running():
            client = ControlClient(f"http://127.0.0.1:{node.control_port}", node.admin_token_file.read_text().strip())
            try:
                return await _lived(folder, node, client, service, site)
            finally:
                client.close()
    finally:
        await site.close()
        await service.close()


async def _lived(folder: Path, node: Standalone, client: ControlClient, service: BrowserService, site: Site) -> bool:
    await asyncio.to_thread(client.post, "/v1/apps", {"app": APP})
    credentials = app_path(APP, "push", "credentials", "webpush")
    made = await asyncio.to_thread(client.put, credentials, {"subject": "mailto:drill@example.com"})
    service.key = made["shown"]["public_key"]
    page = PAGE.replace("KEY", service.key).replace("NODE", f"http://localhost:{node.device_port}")
    site.page = page.replace("'APP'", f"'{APP}'").replace("'DEVICE'", f"'{DEVICE}'")
    make_profile(folder / "profile", service.url, site.origin)
    async with firefox(folder / "profile", site.origin):
        try:
            [subscription] = await site.until("subscription", SUBSCRIBE_SECONDS)
        except TimeoutError:
            print(f"Firefox did not subscribe: {site.said}")
            return False
        print(f"subscribed and registered: {[each for each in site.said if 'subscription' in each]}", flush=True)
        asked = {"token": json.dumps(subscription), "title": "Hello", "body": "Grüße"}
        tried = await asyncio.to_thread(client.post, f"{credentials}/send", asked)
        try:
            [first] = await site.until("event", ARRIVE_SECONDS)
            print(f"edge push test: {tried}; decrypted by Firefox: {first}", flush=True)
            await _send_message(client)
            [_, second] = await site.until("event", ARRIVE_SECONDS, 2)
            by_device = {"device": DEVICE, "title": "By its id"}
            found = await asyncio.to_thread(client.post, app_path(APP, "push", "test"), by_device)
            [_, _, third] = await site.until("event", ARRIVE_SECONDS, 3)
            print(f"edge push test by the device's id: {found}; decrypted by Firefox: {third}", flush=True)
        except TimeoutError:
            print(
                f"a message did not arrive: {tried}, {site.said}, {service.acknowledged}, faults {service.seen.faults}"
            )
            return False
        print(f"a whole message, decrypted by Firefox: {second}; acknowledged {service.acknowledged}", flush=True)
    good = tried["verdict"] == "sent" and first["body"] == "Grüße" and second["title"] == "An offer"
    return good and not service.seen.faults


async def _send_message(client: ControlClient) -> None:
    """Once the registration is counted. Raises TimeoutError."""
    body = {"texts": [{"title": "An offer", "body": "Until Sunday"}], "data": {"screen": "offers"}}
    async with asyncio.timeout(ARRIVE_SECONDS):
        while True:
            preview = await asyncio.to_thread(client.post, app_path(APP, "messages", "preview"), body)
            if preview["planned"]:
                break
            await asyncio.sleep(LOOK_SECONDS)
    asked = body | {"expected": preview["planned"]}
    await asyncio.to_thread(client.post, app_path(APP, "messages"), asked, preview["id"])


def main() -> int:
    if FIREFOX is None:
        print("not run: firefox-esr is not installed")
        return 0
    with tempfile.TemporaryDirectory(prefix="push-browser-", ignore_cleanup_errors=True) as folder:
        good = asyncio.run(run(Path(folder)))
    print("received" if good else "NOT received")
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())

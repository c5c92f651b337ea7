"""Clients and doubles that this project did not write: `python -m tests.drills.push_judges` (needs pip, npm).

Judges of the doubles, in an environment of their own: firebase-admin sends through the double of FCM, aioapns through
that of APNs, npm's web-push to that of a push service. Judge of our client for browsers: npm's web-push-testing, which
decrypts by code of its own. Exit code 1 if one of them does not get through, or a double finds a fault.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.ports import free_port
from edge.domain.pushing.payload import ProviderKind, PushPayload, PushTarget, PushVerdict
from edge.messages.addresses import parse_networks
from edge.push.providers.browsers.webpush import WebPushProvider
from edge.push.providers.credentials import make_webpush
from edge.push.providers.posting import PostingRules
from tests.drills.push_million import Double

WAIT_SECONDS = 180
COUNT = 50

FIREBASE = """
import json, sys
import firebase_admin
from firebase_admin import credentials, messaging, exceptions
from firebase_admin import _http_client
told = json.load(open(sys.argv[1]))
app = firebase_admin.initialize_app(credentials.Certificate(told["account"]))
service = messaging._get_messaging_service(app)
for name in ("FCM_URL",):
    setattr(type(service), name, told["url"] + "/v1/projects/{0}/messages:send")
service._fcm_url = told["url"] + "/v1/projects/" + told["account"]["project_id"] + "/messages:send"
android = messaging.AndroidConfig(priority="high", ttl=60, collapse_key="offers")
sent = [messaging.send(messaging.Message(token=f"fine!{n}", data={"n": str(n)}, android=android,
        notification=messaging.Notification("Hello", "Text"))) for n in range(int(sys.argv[2]))]
try:
    messaging.send(messaging.Message(token="dead!1", data={"n": "1"}))
except messaging.UnregisteredError:
    print(json.dumps({"sent": len(set(sent)), "dead": "UnregisteredError"}))
"""

AIOAPNS = """
import asyncio, json, ssl, sys, uuid
from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol, APNsTLSClientProtocol
told = json.load(open(sys.argv[1]))
host, port = told["url"].removeprefix("https://").split(":")
APNsProductionClientProtocol.APNS_SERVER = host
APNsTLSClientProtocol.APNS_PORT = int(port)
context = ssl.create_default_context(cafile=told["ca_file"])
context.set_alpn_protocols(["h2"])
async def main():
    client = APNs(key=told["p8"], key_id="ABC123DEFG", team_id="DEF123GHIJ", topic="com.example.app", use_sandbox=False,
                  ssl_context=context, max_connections=1)
    async def send(token, **more):
        message = {"aps": {"alert": {"title": "Hello", "body": "Text"}}, "n": token[-4:]}
        return await client.send_notification(NotificationRequest(device_token=token, message=message, **more))
    first = await send("0" * 64)
    found = await asyncio.gather(*(send(f"{n:064x}") for n in range(1, int(sys.argv[2]))))
    dead = await send("d" + "0" * 63)
    background = NotificationRequest(device_token="1".rjust(64, "0"), message={"aps": {"content-available": 1}},
                                     push_type=PushType.BACKGROUND, priority=5)
    quiet = await client.send_notification(background)
    print(json.dumps({"sent": sum(each.is_successful for each in [first, *found]), "dead": dead.description,
                      "background": quiet.is_successful}))
asyncio.run(main())
"""

WEBPUSH = """
const webpush = require('web-push'), fs = require('fs');
const told = JSON.parse(fs.readFileSync(process.argv[2])), count = Number(process.argv[3]);
const keys = webpush.generateVAPIDKeys();
webpush.setVapidDetails('mailto:judge@example.com', keys.publicKey, keys.privateKey);
(async () => {
  let sent = 0, dead = 0;
  for (let n = 0; n < count; n++) {
    const answer = await webpush.sendNotification(JSON.parse(told.subscriptions[n]), JSON.stringify({n}),
      {TTL: 60, urgency: 'high', topic: 'offers', contentEncoding: 'aes128gcm'});
    if (answer.statusCode === 201) sent++;
  }
  const gone = JSON.parse(told.subscriptions[0]);
  gone.endpoint = gone.endpoint.replace('/push/b0', '/push/dead');
  try { await webpush.sendNotification(gone, 'x'); } catch (error) { dead = error.statusCode; }
  console.log(JSON.stringify({sent, dead}));
})();
"""


class Bench:
    """A folder with the packages that judge; `reuse` is one of an earlier run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "judges" / "bin" / "python"
        self.node = folder / "node"

    def install(self) -> None:
        if not self.python.exists():
            venv.create(self.folder / "judges", with_pip=True)
            wanted = ("firebase-admin", "aioapns")
            subprocess.run([self.python, "-m", "pip", "install", "-q", *wanted], check=True)
        if not (self.node / "node_modules").exists():
            self.node.mkdir(exist_ok=True)
            (self.node / "package.json").write_text("{}")
            wanted = ("web-push@3.6.7", "web-push-testing@1.2.2")
            subprocess.run(["npm", "install", "--silent", *wanted], cwd=self.node, check=True)

    def run(self, script: str, told: dict[str, Any]) -> dict[str, Any]:
        """What the judge says, as JSON on its last line."""
        given = self.folder / "told.json"
        given.write_text(json.dumps(told))
        if "require(" in script:
            (self.node / "judge.cjs").write_text(script)
            command = ["node", "judge.cjs", str(given), str(COUNT)]
        else:
            command = [str(self.python), "-c", script, str(given), str(COUNT)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), told["ca_file"])
        done = subprocess.run(
            command, cwd=self.node, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
        )
        if done.returncode != 0 or not done.stdout.strip():
            return {"failed": done.stderr[-2_000:]}
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return found


JUDGES = (
    ("firebase-admin", "fcm", FIREBASE, {"sent": COUNT, "dead": "UnregisteredError"}),
    ("aioapns", "apns", AIOAPNS, {"sent": COUNT, "dead": "Unregistered", "background": True}),
    ("npm web-push", "webpush", WEBPUSH, {"sent": COUNT, "dead": 410}),
)


def judge(bench: Bench, name: str, kind: str, script: str, wanted: dict[str, Any]) -> bool:
    """Whether the double takes what the other client sends, and finds no fault in it."""
    with tempfile.TemporaryDirectory() as folder:
        double = Double(kind, Path(folder))
        said = bench.run(script, double.told)
        seen = double.report()
        double.close()
    good = said == wanted and not seen["faults"]
    print(
        f"{name} on our double of {kind}: {said}; the double: {seen['taken']} taken, faults {seen['faults']}",
        flush=True,
    )
    return good


async def judged(bench: Bench) -> bool:
    """Our client for browsers, on a push service that somebody else wrote."""
    port = free_port()
    command = ["node", "node_modules/web-push-testing/src/bin/server.js", str(port)]
    service = subprocess.Popen(command, cwd=bench.node, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return await _sent_and_read(f"http://localhost:{port}")
    finally:
        service.terminate()
        service.wait(10)


async def _sent_and_read(url: str) -> bool:
    credentials = make_webpush("mailto:judge@example.com")
    provider = WebPushProvider(credentials, PostingRules(parse_networks(["127.0.0.1", "::1"])), (url,))
    payload = PushPayload(message_id="judged", title="Hello", body="Grüße", collapse="offers")
    async with aiohttp.ClientSession() as session:
        await _until_there(session, url)
        asked = {"userVisibleOnly": "true", "applicationServerKey": provider.vapid.public_text}
        async with session.post(f"{url}/subscribe", json=asked) as answer:
            subscribed = (await answer.json())["data"]
        target = PushTarget(ProviderKind.WEBPUSH, json.dumps(subscribed))
        sent = await provider.send(target, payload, time.time())
        async with session.post(f"{url}/get-notifications", json={"clientHash": subscribed["clientHash"]}) as answer:
            messages = (await answer.json())["data"]["messages"]
        async with session.post(f"{url}/expire-subscription/{subscribed['clientHash']}") as answer:
            await answer.read()
        gone = await provider.send(target, payload, time.time())
    await provider.close()
    shown = [json.loads(each)["body"] for each in messages]
    print(f"our client on npm web-push-testing: {sent}, read there: {messages}; expired: {gone}", flush=True)
    return sent.verdict is PushVerdict.SENT and shown == ["Grüße"] and gone.verdict is PushVerdict.DEAD


async def _until_there(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                async with session.post(f"{url}/status"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, help="keep the judges' packages in this folder, or use what is there")
    options = parser.parse_args()
    folder = options.bench or Path(tempfile.mkdtemp(prefix="push-judges-"))
    try:
        bench = Bench(folder.absolute())
        bench.install()
        found = [judge(bench, *each) for each in JUDGES]
        found.append(asyncio.run(judged(bench)))
    finally:
        if options.bench is None:
            shutil.rmtree(folder, ignore_errors=True)
    print("judged: all good" if all(found) else "judged: NOT good")
    return int(not all(found))


if __name__ == "__main__":
    sys.exit(main())

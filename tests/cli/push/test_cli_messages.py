"""A message from the command line to a receiver of one's own, through a node: registered, counted, sent, opened."""

import asyncio
import base64
import json
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from push.fcm_double import FcmDouble
from push.webhook_double import PushReceiver
from running_node import serving_node

from edge.control.push.push_document import PUSH_KEY
from edge.push.providers.credentials import decode_credentials
from edge.store.secrets.secret_box import SecretBox

APP = "com.example.app"
ALLOWED = {"EDGE_PUSH_ALLOW_HTTP": "true", "EDGE_PUSH_ALLOWED_NETWORKS": "127.0.0.1,::1"}


def device_id(number):
    return f"{number:08x}-eefe-490a-9c60-8e965132ae51"


def post(node, path, **said):
    body = json.dumps({"app_id": APP, "device_id": device_id(0)} | said).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{node.devices}{path}", body)) as answer:
        return answer.status


async def until(ask, wanted):
    """What `ask` says once it is as wanted. The folding process counts every ten seconds."""
    while not wanted(found := await asyncio.to_thread(ask)):
        await asyncio.sleep(0.2)
    return found


def plant_secrets(node, folder):
    """Credentials of the other providers, which nothing is sent through. Returns what must be nowhere."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = FcmDouble().account | {"token_uri": "https://oauth2.googleapis.com/token"}
    (folder / "key.p8").write_text(pem)
    (folder / "account.json").write_text(json.dumps(account))
    words = ("--key-id", "ABC123DEFG", "--team", "DEF123GHIJ", "--topic", APP)
    node.text("push", "credentials", "set", APP, "apns", "--key", folder / "key.p8", *words)
    node.text("push", "credentials", "set", APP, "fcm", folder / "account.json")
    node.text("push", "credentials", "set", APP, "webpush", "--subject", "mailto:push@example.com")
    document = json.loads(json.loads((node.data_dir / "store" / PUSH_KEY).read_text())["payload"])
    sealed = document["apps"][APP]["webpush"]["sealed"]
    box = SecretBox(node.data_dir / "node" / "secrets.key", make=False)
    vapid = decode_credentials(box.open(sealed, f"push {APP} webpush")).private_key
    return [each.splitlines()[1] for each in (pem, account["private_key"], vapid)]


def processes_of(pid):
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            yield from processes_of(int(child))


def everything_shown(node, folder):
    """By name: what lies on disk, what other users of the machine see, and what can be handed on."""
    node.text("store", "export", folder / "whole.tar", "--with-keys")
    node.text("audit", "export", folder / "audit.jsonl")
    for name in ("key.p8", "account.json"):
        (folder / name).unlink()
    for file in (each for each in folder.rglob("*") if each.is_file()):
        with suppress(FileNotFoundError):  # a scratch file
            yield str(file.relative_to(folder)), file.read_bytes()
    for pid in processes_of(node.pid):
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                yield f"{name} of {pid}", Path(f"/proc/{pid}/{name}").read_bytes()
    admin = (node.data_dir / "node" / "admin.token").read_text().strip()
    for path in ("/v1/metrics", "/v1/node", f"/v1/apps/{APP}/push/credentials"):
        asked = urllib.request.Request(node.control + path, headers={"Authorization": f"Bearer {admin}"})
        with urllib.request.urlopen(asked) as answer:
            yield path, answer.read()
    for words in (
        ("history", APP),
        ("message", "list", APP, "--json"),
        ("telemetry", "export", APP),
        ("audit", "--json"),
        ("doctor", "--json"),
        ("node", "list", "--json"),
        ("secrets", "show"),
    ):
        done = node.run(*words)
        yield " ".join(words), (done.stdout + done.stderr).encode()


def written(secret):
    """A secret, and what is as good as it."""
    raw = secret.removeprefix("whsec_").encode()
    yield raw
    yield base64.b64encode(secret.encode())
    with suppress(ValueError):
        decoded = base64.b64decode(raw, validate=True)
        if len(decoded) >= 16:
            yield decoded


@pytest.mark.long
async def test_a_message_goes_from_the_command_line_to_the_devices(tmp_path, capfd):
    receiver = PushReceiver()
    await receiver.start()
    serving = serving_node(tmp_path, **ALLOWED)
    node = await asyncio.to_thread(serving.__enter__)
    try:
        await asyncio.to_thread(node.text, "app", "create", APP)
        (tmp_path / "receiver.url").write_text(f"{receiver.url}?key=planted-in-the-address")
        address = f"@{tmp_path / 'receiver.url'}"
        made = await asyncio.to_thread(node.json, "push", "credentials", "set", APP, "webhook", address)
        receiver.secret = made["secret"]
        secrets = await asyncio.to_thread(plant_secrets, node, tmp_path)
        for number in range(6):
            said = {"device_id": device_id(number), "provider": "webhook", "token": f"t!{number}", "consent": True}
            assert await asyncio.to_thread(post, node, "/push/register", **said) == 200
        await asyncio.to_thread(post, node, "/push/unregister", device_id=device_id(5))

        def preview():
            return node.json("message", "preview", APP, "--title", "Hello")

        assert (await until(preview, lambda found: found["planned"] == 5))["tokens"] == {"webhook": 5}
        refused = await asyncio.to_thread(node.failure, "message", "create", APP, "--title", "Hello", "--yes", "50")
        assert "5 devices, not 50" in refused
        words = ("--title", "Hello", "--title", "de=Hallo", "--body", "pt-BR=x=y")
        made = await asyncio.to_thread(node.json, "message", "create", APP, *words, "--yes", "5")
        shown = await asyncio.to_thread(node.json, "message", "show", APP, made["message"])
        (text,) = shown["line"]["texts"]
        assert text["title"] == "Hello"
        assert text["locales"] == {"de": {"title": "Hallo", "body": ""}, "pt-br": {"title": "", "body": "x=y"}}
        shown = ("message", "show", APP, made["message"])
        found = await until(lambda: node.json(*shown), lambda found: found["line"]["sends"].get("sent") == 5)
        assert found["codes"] == [] and receiver.seen.faults == []
        assert receiver.seen.taken == {f"t!{number}": 1 for number in range(5)}
        assert {each["title"] for each in receiver.seen.received} == {"Hello"}
        assert await asyncio.to_thread(post, node, "/push/opened", message_id=made["message"]) == 200
        done = await until(lambda: node.json("message", "list", APP), lambda f: f["messages"][0]["state"] == "done")
        assert done["begun_today"] == 5
        assert "is done" in await asyncio.to_thread(node.failure, "message", "cancel", APP, made["message"])
        assert f"{APP} sends at most 100,000 messages a day" in await asyncio.to_thread(
            node.text, "message", "cap", APP
        )
        text = await asyncio.to_thread(node.text, "message", "list", APP)
        assert "5 registered devices (5 webhook); 5 of 100,000 sends begun today (UTC)" in text
        # A secret that the receiver does not know any more, and an address where nobody is: both are told and logged.
        right, receiver.secret = receiver.secret, "whsec_b3RoZXI="
        assert await asyncio.to_thread(node.run, "push", "credentials", "test", APP, "webhook")
        again = await asyncio.to_thread(node.json, "message", "create", APP, *words, "--yes", "5")
        await until(lambda: node.json("message", "list", APP), lambda found: found["halted"])
        (tmp_path / "receiver.url").unlink()
        secrets += [right, "planted-in-the-address"]
        shown = await asyncio.to_thread(lambda: [*everything_shown(node, tmp_path)])
        shown.append(("the log", "".join(capfd.readouterr()).encode()))
        names = {name for name, content in shown if again["message"].encode() in content}
        assert names >= {"the log", "whole.tar"} and dict(shown)["audit.jsonl"]
        assert any(b"edge.assembly.pushing.process" in content for _, content in shown)
        leaks = {name for name, content in shown for each in secrets for form in written(each) if form in content}
        assert leaks == set()
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
        await receiver.close()

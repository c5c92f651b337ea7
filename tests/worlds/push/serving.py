"""A double in a process of its own, for drills: `python serving.py KIND FOLDER`.

It prints one line of JSON when it serves: its address and what the sender needs. For each line on its input it prints
what it has seen. It ends with its input.
"""

import asyncio
import json
import resource
import ssl
import sys
from pathlib import Path
from typing import Any

import uvloop
from certificates import a_certificate
from push.apns_double import ApnsDouble, apns_error
from push.fcm_double import FcmDouble, fcm_error
from push.verdicts import Scripted
from push.webhook_double import PushReceiver
from push.webpush_double import WebPushDouble

BROWSERS = 1_000  # subscriptions with keys of their own

# What a drill's tokens ask for by their beginning, before the '!'. APNs tokens are hexadecimal: see `of_apns`.
SCRIPTS = {
    "fcm": {
        "dead": fcm_error(404, "UNREGISTERED"),
        "later": fcm_error(503, "UNAVAILABLE"),
        "ours": fcm_error(400, "INVALID_ARGUMENT"),
    },
    "webpush": {"dead": Scripted(410), "later": Scripted(429), "ours": Scripted(400)},
    "webhook": {"dead": Scripted(410), "later": Scripted(503), "ours": Scripted(400)},
    "apns": {
        "dead": apns_error(410, "Unregistered", timestamp=1_700_000_000_000),
        "later": apns_error(429, "TooManyRequests"),
        "ours": apns_error(400, "DeviceTokenNotForTopic"),
    },
}
OF_APNS = {"0": "fine", "d": "dead", "e": "later", "f": "ours"}  # by a token's first digit


class _ApnsByDigit(ApnsDouble):
    def judged(self, headers, body):
        wanted = OF_APNS[headers[":path"].rpartition("/")[2][0]]
        return super().judged(headers, body) if wanted == "fine" else SCRIPTS["apns"][wanted]


async def main(kind: str, folder: Path) -> None:
    double, told = await _started(kind, folder)
    double.seen.keep = 10
    double.seen.script |= SCRIPTS[kind] if kind != "apns" else {}
    print(json.dumps(told), flush=True)
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        if kind == "webhook":
            double.secret = line.decode().strip() or double.secret
        print(json.dumps(_report(double)), flush=True)
    await double.close()


async def _started(kind: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    files = a_certificate(folder, kind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    told = {"ca_file": files.certificate}
    match kind:
        case "fcm":
            fcm = FcmDouble()
            await fcm.start(context=context)
            return fcm, told | {"url": fcm.url, "account": fcm.account}
        case "apns":
            apns = _ApnsByDigit()
            await apns.start(*files)
            return apns, told | {"url": apns.url, "p8": apns.p8}
        case "webpush":
            browsers = WebPushDouble()
            await browsers.start(context=context)
            made = [browsers.subscribe(f"b{number}") for number in range(BROWSERS)]
            return browsers, told | {"url": browsers.url, "subscriptions": made}
        case "webhook":
            receiver = PushReceiver()
            await receiver.start(context=context)
            return receiver, told | {"url": receiver.url}
    raise ValueError(kind)


def _report(double: Any) -> dict[str, Any]:
    seen, used = double.seen, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "requests": seen.requests,
        "taken": seen.taken.total(),
        "devices": len(seen.taken),
        "faults": seen.faults[:10],
        "cpu_seconds": used.ru_utime + used.ru_stime,
    }


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2])))

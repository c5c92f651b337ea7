"""What `edge demo` says at its start: where to look, what will happen, and what else to try."""

import json
import sys
from pathlib import Path

from edge.assembly.standalone import Standalone
from edge.cli.demo.power_user import POWER_USER
from edge.cli.demo.release import ANEW, APP, BAD, BETA, CHANNEL, GOOD, NATIVE
from edge.cli.demo.segments import TESTER
from edge.cli.demo.walking import DEVICE, PLUGIN


def greeting_of(node: Standalone, link: str, fleet: int, story: bool | None) -> str:
    """With the page's login link, for a fleet of so many devices. `story` is to come, was told (False), or is not
    (None)."""
    lines = ["", "Open the page (this link works once, within ten minutes; `edge login-link` makes another):"]
    lines += ["", f"  {link}", ""]
    if fleet:
        lines += [f"{fleet} simulated devices on two platforms use {APP} here, a day of theirs in four minutes."]
    if story:
        lines += [f"In the next minutes {GOOD.version} spreads to all of them. {BAD.version} fails on one start in"]
        lines += ["ten: the guard pauses it, and it is rolled back. At last an experiment asks whether people check"]
        lines += [f"out more with {ANEW.version}."]
    elif story is False:
        lines += [f"An earlier run told the story: the page has its history. Without {node.config.data_dir}, it"]
        lines += ["begins again."]
    return "\n".join([*lines, *_to_try(node)])


def _to_try(node: Standalone) -> list[str]:
    address, command = f"http://localhost:{node.device_port}", _command()
    question = {"platform": "android", "device_id": DEVICE, "app_id": APP, "version_build": NATIVE}
    question |= {"version_name": NATIVE, "plugin_version": PLUGIN}
    settings = {"updateUrl": f"{address}/updates", "statsUrl": f"{address}/stats"}
    settings["channelUrl"] = f"{address}/channel_self"
    return [
        "",
        "To try:",
        "",
        f"  {command} guard show {APP} {CHANNEL}",
        f"  {command} stats {APP} --watch",
        f"  {command} segment test {APP} power-users --device {POWER_USER}",
        f"  {command} device update --url {address} --app {APP} --state /tmp/edge-device --plugin {PLUGIN} "
        "--platform android",
        f"  curl -s {address}/updates -H 'Content-Type: application/json' -d '{json.dumps(question)}'",
        "",
        f'With "custom_id": "{TESTER}" in that request the answer is {BETA.version}. An app of your own, in',
        "capacitor.config.json, with an address of this machine that its device can reach:",
        "",
        f"  {json.dumps({'plugins': {'CapacitorUpdater': settings}})}",
        "",
        f"Devices: {address} (IPv4 and IPv6). Control API: http://127.0.0.1:{node.control_port}. "
        f"Data: {node.config.data_dir}",
        "Ctrl-C stops the node; the next run continues from its state.",
        "",
    ]


def _command() -> str:
    """As the user typed it, so that the line can be copied even if `.venv/bin` is not on the PATH."""
    return sys.argv[0] if Path(sys.argv[0]).name == "edge" else "edge"

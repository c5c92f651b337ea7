"""The published Android plugin as a client: one JVM per launch, which answers with one JSON document."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.real_plugin.phone import Answered, ClientBroken, Launch, Phone, Report, read_request

HERE = Path(__file__).parent
LAUNCH_SECONDS = 120.0
READY_MILLISECONDS = 4000  # how long a bundle may take to say that it works: longer than any download here
ENVIRON = dict(os.environ)  # our own command, run in this process, takes variables out of it for a while
_OUTCOMES = {"up_to_date": "quiet", "blocked": "quiet", "no_update": "quiet"}


class RealPlugin:
    """Plays Android phones with one release of `@capgo/capacitor-updater`, which `build.sh` has compiled."""

    def __init__(self, release: str) -> None:
        self._release = release

    def launch(self, phone: Phone, url: str, log: Path, *, boot_ok: bool, settle: float) -> Launch:
        words = ["update", "--requests", *_phone(phone, url), "--settle", str(int(settle * 1000))]
        if not boot_ok:
            words += ["--no-ready", "--ready-timeout", str(READY_MILLISECONDS)]
        return read_launch(self._run(words, log), phone)

    def call(self, phone: Phone, url: str, log: Path, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Answered]:
        words = ["calls", json.dumps(calls), *_phone(phone, url), "--settle", "100"]
        return [read_answer(each) for each in self._run(words, log)["answers"]]

    def _run(self, words: list[str], log: Path) -> dict[str, Any]:
        return run([str(HERE / "run.sh"), self._release, *words], log)


def run(command: list[str], log: Path) -> dict[str, Any]:
    """The document that `command` prints, kept in `log` with the command and what it said on standard error."""
    try:
        done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, timeout=LAUNCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ClientBroken(f"no end after {LAUNCH_SECONDS:g} s: {' '.join(command)}") from error
    log.write_text(f"{json.dumps(command)}\n{done.stdout}\n{done.stderr}")
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise ClientBroken(f"exit {done.returncode}, no answer: see {log}") from error
    return document


def read_launch(document: dict[str, Any], phone: Phone) -> Launch:
    result, version = document["result"], document["version"]
    outcome = _OUTCOMES.get(result, result)
    return Launch(
        outcome=outcome if outcome in ("installed", "rolled_back", "builtin", "quiet") else "failed",
        version=phone.native if version == "builtin" else version,
        files=document["files"],
        reports=tuple(
            Report(event["action"], event.get("version_name"), event.get("old_version_name") or "")
            for event in document["events"]
            if 200 <= event["http"] < 300
        ),
        asked=tuple(read_request(each["url"], each["status"], each.get("body") or "") for each in document["requests"]),
        told=tuple(each["event"] for each in document["js_events"]),
    )


def read_answer(document: dict[str, Any]) -> Answered:
    if "resolved" in document:
        value = document["resolved"]
        if isinstance(value.get("channels"), str):  # older releases hand over a Java list, which JSON writes as text
            value["channels"] = [{"name": name} for name in re.findall(r"\bname=([^,}]+)", value["channels"])]
        return Answered(value)
    rejected = document["rejected"]
    if isinstance(rejected, str):
        return Answered({}, rejected)
    data = rejected.get("data") or {}
    return Answered({}, data.get("error") or rejected.get("message") or "rejected")


def _phone(phone: Phone, url: str) -> list[str]:
    words = ["--url", url, "--app", phone.app, "--device", phone.device_id, "--state", str(phone.folder)]
    words += ["--version-build", phone.native]
    if phone.running:
        words += ["--version-name", phone.running]
    if phone.public_key is not None:
        words += ["--public-key", str(phone.public_key)]
    if phone.direct_update:
        words += ["--config", '{"directUpdate":true}']
    return words

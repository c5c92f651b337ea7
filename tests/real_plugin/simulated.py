"""This project's simulator as a client, behind the same calls as the published packages."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from edge.device.identity import Identity
from edge.device.ledger import UpdateOutcome, UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.device.simulators.electron import ElectronDevice
from edge.device.state import BundleStatus, DeviceState, InstalledBundle
from edge.domain.model import Platform
from tests.real_plugin.phone import Answered, Launch, Phone, Report, read_request

_OUTCOMES = {
    UpdateResult.UPDATED: "installed",
    UpdateResult.ROLLED_BACK: "rolled_back",
    UpdateResult.REVERTED: "builtin",
    UpdateResult.UP_TO_DATE: "quiet",
    UpdateResult.BLOCKED: "quiet",
}


class Simulated:
    def __init__(self, platform: Platform, release: str) -> None:
        self._profile = build_profile(platform, release)

    def launch(self, phone: Phone, url: str, log: Path, *, boot_ok: bool, settle: float) -> Launch:
        outcome = asyncio.run(self._launch(phone, url, boot_ok))
        launch = _read(outcome, phone)
        log.write_text(json.dumps({"reason": outcome.reason, "launch": launch._asdict()}, default=str, indent=1))
        return launch

    def call(self, phone: Phone, url: str, log: Path, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Answered]:
        answers = asyncio.run(self._call(phone, url, calls))
        log.write_text(json.dumps([calls, answers], indent=1))
        return answers

    async def _launch(self, phone: Phone, url: str, boot_ok: bool) -> UpdateOutcome:
        _preinstall(phone)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await self._device(phone, url, session).check_and_update(boot_ok=boot_ok)

    async def _call(self, phone: Phone, url: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Answered]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            device = self._device(phone, url, session)
            return [Answered(*await device.call(method, **data)) for method, data in calls]

    def _device(self, phone: Phone, url: str, session: aiohttp.ClientSession) -> Device | ElectronDevice:
        kind = ElectronDevice if self._profile.platform is Platform.ELECTRON else Device
        return kind(
            DeviceSetup(
                self._profile,
                Identity(app=phone.app, device_id=phone.device_id, version_build=phone.native),
                phone.folder,
                session,
                update_url=f"{url}/updates",
                stats_url=f"{url}/stats",
                channel_url=f"{url}/channel_self",
                public_key=phone.public_key.read_text() if phone.public_key else None,
            )
        )


def _preinstall(phone: Phone) -> None:
    if not phone.running or (phone.folder / "state.json").exists():
        return
    state = DeviceState(phone.folder)
    bundle = InstalledBundle("preinstall", phone.running, BundleStatus.SUCCESS)
    (state.add(bundle) / "index.html").write_text("<html></html>")
    state.run(bundle)


def _read(outcome: UpdateOutcome, phone: Phone) -> Launch:
    ledger = outcome.ledger
    folder = outcome.folder
    files = (path for path in sorted(folder.rglob("*")) if path.is_file()) if folder else ()
    return Launch(
        outcome=_OUTCOMES.get(outcome.result, "failed"),
        version=phone.native if outcome.version == "builtin" else outcome.version,
        files={str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        reports=tuple(
            Report(each["action"], each.get("version_name"), each.get("old_version_name") or "")
            for each in ledger.reports
        ),
        asked=tuple(read_request(each.url, each.status, each.body) for each in ledger.requests),
        told=tuple(ledger.events),
    )

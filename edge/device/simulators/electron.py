"""A desktop app with `@capgo/electron-updater`, which shares only the protocol's paths with the Capacitor plugin.

It compares no versions and rolls nothing back; its requests and reports are in PROTOCOL.md §11.11. One
`ElectronDevice` is one launch. It never fetches a manifest's files, since the package always takes the zip.
"""

import asyncio
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from edge.device.behaviours import EncryptionForm
from edge.device.channels import Answered
from edge.device.failure import UpdateFailed
from edge.device.identity import build_info
from edge.device.ledger import DownloadProgress, Ledger, UpdateOutcome, UpdateResult
from edge.device.network import CutPlan, DeviceNetwork, TransferFailed
from edge.device.setup import DeviceSetup
from edge.device.state import BUILTIN_ID, BundleStatus, DeviceState, InstalledBundle
from edge.device.updating.crypto import DeviceKey, Undecryptable
from edge.device.updating.zip_install import unpack

NOTHING_NEW = "no_new_version_available"


class ElectronDevice:
    """One launch of the app."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Raises ValueError for a malformed public key."""
        self._setup = setup
        self._clock = setup.clock
        self.profile = setup.profile
        self.identity = setup.identity
        self.state = DeviceState(setup.state_folder)
        self._key = DeviceKey(setup.public_key, EncryptionForm.V3) if setup.public_key is not None else None

    @property
    def version_name(self) -> str:
        """The running version in every request; on builtin, the native version."""
        current = self.state.current
        return current.version if current else self.identity.version_build

    async def check_and_update(self, *, boot_ok: bool = True, cut: CutPlan | None = None) -> UpdateOutcome:
        """Run one launch: the page is ready, then the package's timer checks. `boot_ok` as in `Device`."""
        started, ledger = self._clock(), Ledger()
        network = self._setup.network(ledger, cut or CutPlan())
        await self._report_set(network, ledger)
        result, reason = await self._check(network, ledger, boot_ok)
        current = self.state.current
        return UpdateOutcome(
            result=result,
            reason=reason,
            version=self.version_name,
            folder=self.state.folder_of(current) if current else self._setup.builtin,
            seconds=self._clock() - started,
            ledger=ledger,
        )

    async def call(self, method: str, channel: str = "") -> Answered:
        """The channel calls, which never reject: a refusal is a value with `status` error. Raises ValueError."""
        network = self._setup.network(Ledger(), CutPlan())
        match method:
            case "setChannel":
                return await self._set_channel(network, channel)
            case "unsetChannel":
                await self._ask_channel(network, "POST", {"action": "unset"})
                self.state.choose("")
                return Answered({})
            case "getChannel":
                answer = await self._ask_channel(network, "GET", {}) or {}
                kept = self.state.channel or self.identity.default_channel
                return Answered(answer | {"channel": answer.get("channel") or kept})
            case "listChannels":
                channels = (await self._ask_channel(network, "GET", {"action": "list"}) or {}).get("channels")
                return Answered({"channels": channels if isinstance(channels, list) else []})
        raise ValueError(f"the package has no call {method!r}")

    async def _set_channel(self, network: DeviceNetwork, channel: str) -> Answered:
        answer = await self._ask_channel(network, "POST", {"channel": channel, "action": "set"})
        if answer is None:
            return Answered({"status": "error"}, "network_error")
        status = answer.get("status", "ok")
        if status in ("ok", "success"):
            self.state.choose(channel)
        answer = {name: answer[name] for name in ("status", "error", "message") if name in answer}
        return Answered(answer, str(answer.get("error") or "refused") if status == "error" else "")

    async def _ask_channel(self, network: DeviceNetwork, method: str, words: dict[str, str]) -> dict[str, Any] | None:
        """The answer's object; None for an HTTP or network error. A list counts as an empty object."""
        fields = self._info(self.version_name) | words
        url, body = self._setup.channel_url, json.dumps(fields).encode()
        if method == "GET":
            query = {name: str(value).lower() if value in (True, False) else value for name, value in fields.items()}
            url, body = f"{url}?{urlencode(query)}", b""
        try:
            reply = await network.post(url, body, method)
            answer = json.loads(reply.body) if 200 <= reply.status < 300 else None
        except (TransferFailed, ValueError):
            return None
        return {} if isinstance(answer, list) else answer if isinstance(answer, dict) else None

    async def _check(self, network: DeviceNetwork, ledger: Ledger, boot_ok: bool) -> tuple[UpdateResult, str]:
        chosen = self.state.channel or self.identity.default_channel
        body = self._info(self.version_name) | {"custom_id": self.identity.custom_id or None, "defaultChannel": chosen}
        try:
            reply = await network.post(self._setup.update_url, json.dumps(body).encode())
            answer = json.loads(reply.body) if 200 <= reply.status < 300 else {}
        except (TransferFailed, ValueError):
            answer = {}
        if not isinstance(answer, dict):
            answer = {}
        if answer.get("error") == NOTHING_NEW:
            ledger.events.append("noNeedUpdate")
            return UpdateResult.UP_TO_DATE, NOTHING_NEW
        if not answer.get("url") or not answer.get("version"):
            return UpdateResult.UP_TO_DATE, str(answer.get("error") or "nothing said")
        ledger.events.append("updateAvailable")
        if answer.get("breaking"):
            ledger.events += ["breakingAvailable", "majorAvailable"]
            return UpdateResult.BLOCKED, "breaking"
        return await self._update(answer, network, ledger, boot_ok)

    async def _update(
        self, answer: dict[str, Any], network: DeviceNetwork, ledger: Ledger, boot_ok: bool
    ) -> tuple[UpdateResult, str]:
        """Even if that version is already running: the package does not compare."""
        version = str(answer["version"])
        bundle = InstalledBundle(secrets.token_hex(5), version, BundleStatus.DOWNLOADING)
        folder = self.state.add(bundle)
        try:
            archive = await self._fetch(str(answer["url"]), version, network)
            await asyncio.to_thread(self._install, archive, folder, answer)
        except UpdateFailed as failure:
            self.state.delete(bundle)
            await self._report(network, ledger, "download_fail", version, message=failure.reason)
            ledger.events.append("downloadFailed")
            return UpdateResult.FAILED, failure.reason
        self.state.mark(bundle, BundleStatus.SUCCESS)
        await self._report(network, ledger, "download_complete", version, bundle_id=bundle.id)
        return await self._start(bundle, network, ledger, boot_ok)

    async def _start(
        self, bundle: InstalledBundle, network: DeviceNetwork, ledger: Ledger, boot_ok: bool
    ) -> tuple[UpdateResult, str]:
        previous = self.state.current
        self.state.run(bundle)
        if previous is not None:
            self.state.delete(previous)
        if boot_ok:
            await self._report_set(network, ledger)
            return UpdateResult.UPDATED, "installed"
        reason = "App ready timeout"
        await self._report(network, ledger, "set_fail", bundle.version, bundle_id=bundle.id, message=reason)
        ledger.events.append("updateFailed")
        return UpdateResult.FAILED, reason  # and the same bundle is loaded again next time

    async def _fetch(self, url: str, version: str, network: DeviceNetwork) -> bytes:
        content = bytearray()
        try:
            async with network.get(url, None) as incoming:
                if incoming.status != 200:
                    raise UpdateFailed(f"Download failed with status {incoming.status}")
                async for chunk in incoming.chunks():
                    content += chunk
                    self._setup.on_progress(DownloadProgress("zip", version, incoming.received, incoming.length))
        except TransferFailed as error:
            raise UpdateFailed(str(error)) from error
        return bytes(content)

    def _install(self, archive: bytes, folder: Path, answer: dict[str, Any]) -> None:
        """The checksum is of the zip as received, encrypted or not. The plugin's member `session_key` is not read."""
        checksum = str(answer.get("checksum") or "")
        if checksum and hashlib.sha256(archive).hexdigest() != checksum.lower():
            raise UpdateFailed("Checksum verification failed")
        session_key = str(answer.get("sessionKey") or "")
        if session_key:
            try:
                archive = self._key.decrypt(archive, session_key) if self._key else b""
            except Undecryptable as error:
                raise UpdateFailed("Failed to decrypt bundle") from error
        file = folder.with_suffix(".zip")
        file.write_bytes(archive)
        try:
            unpack(file, folder)
        finally:
            file.unlink()

    async def _report_set(self, network: DeviceNetwork, ledger: Ledger) -> None:
        current = self.state.current
        await self._report(network, ledger, "set", self.version_name, bundle_id=current.id if current else BUILTIN_ID)

    async def _report(
        self, network: DeviceNetwork, ledger: Ledger, action: str, version_name: str, **more: str
    ) -> None:
        """Send one object once, whether it arrives or not."""
        if not self._setup.stats_url:
            return
        event = self._info(version_name) | {"action": action, "old_version_name": ""} | more
        try:
            reply = await network.post(self._setup.stats_url, json.dumps(event).encode())
        except TransferFailed:
            return
        if 200 <= reply.status < 300:
            ledger.reports.append(event)

    def _info(self, version_name: str) -> dict[str, Any]:
        """The members of every request, without those that the app has not set."""
        key_id = self._key.key_id(self.profile.key_id_characters) if self._key else ""
        info = build_info(self.profile, self.identity, version_name, key_id)
        info["version_code"] = self.identity.version_build
        info["defaultChannel"] = self.state.channel or self.identity.default_channel
        unset = {name for name in ("custom_id", "defaultChannel") if not info[name]}
        return {name: value for name, value in info.items() if name not in unset}

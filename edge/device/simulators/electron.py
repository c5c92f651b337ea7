"""A desktop app with `@capgo/electron-updater` in it: a family of its own, which compares and rolls back nothing.

What it says, asks and reports is plugin-capabilities §11; with the plugin it shares the protocol's paths and no more.
One `ElectronDevice` is one launch. It never fetches the files of a manifest: the package takes one only beside a zip.
"""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from edge.device.channels import Answered
from edge.device.failure import UpdateFailed
from edge.device.identity import Identity, build_info, user_agent
from edge.device.ledger import DownloadProgress, Ledger, ProgressListener, UpdateOutcome, UpdateResult
from edge.device.network import CutPlan, DeviceNetwork, TransferFailed
from edge.device.profile import EncryptionForm, Profile
from edge.device.state import BUILTIN_ID, BundleStatus, DeviceState, InstalledBundle
from edge.device.updating.crypto import DeviceKey, Undecryptable
from edge.device.updating.zip_install import unpack

NOTHING_NEW = "no_new_version_available"
RESPONSE_TIMEOUT_SECONDS = 20.0


class ElectronDevice:
    def __init__(
        self,
        profile: Profile,
        identity: Identity,
        state_folder: Path,
        session: aiohttp.ClientSession,
        *,
        update_url: str,
        stats_url: str,
        channel_url: str = "",
        public_key: str | None = None,
        builtin: Path | None = None,
        clock: Callable[[], float] = time.time,
        on_progress: ProgressListener = lambda progress: None,
    ) -> None:
        """As `simulator.Device`. Raises ValueError for a key that is none."""
        self.profile = profile
        self.identity = identity
        self.state = DeviceState(state_folder)
        self._session = session
        self._update_url = update_url
        self._stats_url = stats_url
        self._channel_url = channel_url
        self._builtin = builtin
        self._clock = clock
        self._on_progress = on_progress
        self._key = DeviceKey(public_key, EncryptionForm.V3) if public_key is not None else None

    @property
    def version_name(self) -> str:
        """What every request says is running: on builtin the native version."""
        current = self.state.current
        return current.version if current else self.identity.version_build

    async def check_and_update(self, *, boot_ok: bool = True, cut: CutPlan | None = None) -> UpdateOutcome:
        """One launch: the page is ready, then the timer of the package asks. `boot_ok` as in `simulator.Device`."""
        started, ledger = self._clock(), Ledger()
        network = self._network(ledger, cut or CutPlan())
        await self._report_set(network, ledger)
        result, reason = await self._check(network, ledger, boot_ok)
        current = self.state.current
        return UpdateOutcome(
            result=result,
            reason=reason,
            version=self.version_name,
            folder=self.state.folder_of(current) if current else self._builtin,
            seconds=self._clock() - started,
            ledger=ledger,
        )

    async def call(self, method: str, channel: str = "") -> Answered:
        """The channel calls, which never reject: a refusal is a value with `status` error. Raises ValueError."""
        network = self._network(Ledger(), CutPlan())
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
        """The answer's object; None for an error of HTTP or of the network. A list counts as an object with nothing."""
        fields = self._info(self.version_name) | words
        url, body = self._channel_url, json.dumps(fields).encode()
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
            reply = await network.post(self._update_url, json.dumps(body).encode())
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
        """Also when it runs that version already: it does not compare."""
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
        return UpdateResult.FAILED, reason  # and the same bundle is loaded again

    async def _fetch(self, url: str, version: str, network: DeviceNetwork) -> bytes:
        content = bytearray()
        try:
            async with network.get(url, None) as incoming:
                if incoming.status != 200:
                    raise UpdateFailed(f"Download failed with status {incoming.status}")
                async for chunk in incoming.chunks():
                    content += chunk
                    self._on_progress(DownloadProgress("zip", version, incoming.received, incoming.length))
        except TransferFailed as error:
            raise UpdateFailed(str(error)) from error
        return bytes(content)

    def _install(self, archive: bytes, folder: Path, answer: dict[str, Any]) -> None:
        """The checksum is of the zip as received, encrypted or not. `session_key`, the plugin's word, is not read."""
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
        """One object, sent once; nobody looks whether it arrived."""
        if not self._stats_url:
            return
        event = self._info(version_name) | {"action": action, "old_version_name": ""} | more
        try:
            reply = await network.post(self._stats_url, json.dumps(event).encode())
        except TransferFailed:
            return
        if 200 <= reply.status < 300:
            ledger.reports.append(event)

    def _info(self, version_name: str) -> dict[str, Any]:
        """The members of every request; what the app has not set is not there, except in a check."""
        key_id = self._key.key_id(self.profile.key_id_characters) if self._key else ""
        info = build_info(self.profile, self.identity, version_name, key_id)
        info["version_code"] = self.identity.version_build
        info["defaultChannel"] = self.state.channel or self.identity.default_channel
        unset = {name for name in ("custom_id", "defaultChannel") if not info[name]}
        return {name: value for name, value in info.items() if name not in unset}

    def _network(self, ledger: Ledger, cuts: CutPlan) -> DeviceNetwork:
        agent = user_agent(self.profile, self.identity)
        return DeviceNetwork(
            self.profile,
            self._session,
            ledger,
            user_agent=agent,
            zip_user_agent=agent,
            response_timeout_seconds=RESPONSE_TIMEOUT_SECONDS,
            clock=self._clock,
            cuts=cuts,
        )

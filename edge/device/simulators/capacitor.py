"""A device with the plugin in it: check, download, verify, install, start, report - as one release does it.

One `Device` is one launch of the app: what the plugin keeps in memory ends with it, what it keeps on storage is in
`state_folder`. The library never waits on its own: time and sleep are given to it.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from edge.device.channels import Answered, Channels
from edge.device.failure import ProcessKilled, ReportedCause, StillRetrying, UpdateFailed
from edge.device.identity import Identity, build_info, user_agent, zip_user_agent
from edge.device.ledger import DownloadProgress, Ledger, ProgressListener, UpdateOutcome, UpdateResult
from edge.device.network import CutPlan, DeviceNetwork, TransferFailed
from edge.device.profile import Profile, RateLimit
from edge.device.rate_limit import RateGate
from edge.device.reports import Reporter
from edge.device.state import BUILTIN_ID, BundleStatus, DeviceState, InstalledBundle
from edge.device.updating import answer as answers
from edge.device.updating.answer import ReadAnswer, UpdateFound, no_answer, read_answer
from edge.device.updating.crypto import DeviceKey
from edge.device.updating.install import Installer
from edge.device.updating.zip_download import Sleep

RESPONSE_TIMEOUT_SECONDS = 20.0  # the plugin's default
STUCK_DOWNLOAD_SECONDS = 600.0  # after which a "download in progress" mark is thought forgotten, device-protocol §1.8
PATIENCE_SECONDS = 3600.0  # how long a release that retries for ever is watched


def _ignore(_progress: DownloadProgress) -> None:
    return None


class Device:
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
        response_timeout_seconds: float = RESPONSE_TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        on_progress: ProgressListener = _ignore,
    ) -> None:
        """`builtin` holds the files inside the native app, `public_key` the PEM of the app's config.

        `session` must have been made without a cookie jar that matters; the device adds its own headers.
        Raises ValueError for a key the app would not start with.
        """
        self.profile = profile
        self.identity = identity
        self.state = DeviceState(state_folder)
        self._session = session
        self._update_url = update_url
        self._builtin = builtin
        self._response_timeout_seconds = response_timeout_seconds
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._sleep = sleep
        self._on_progress = on_progress
        knows_keys = public_key is not None and profile.holds_public_key
        self._key = DeviceKey(public_key, profile.encryption) if public_key is not None and knows_keys else None
        self._key_id = self._key.key_id(profile.key_id_characters) if self._key else ""
        self._gate = RateGate(profile.rate_limit)
        self._channels = Channels(profile, self.state, self._gate, channel_url)
        self._downloading_since: float | None = None
        self._reporter = Reporter(
            profile,
            self.state,
            self._gate,
            stats_url=stats_url,
            key_id=self._key_id,
            info=self._build_info,
            running=lambda: self.version_name,
            clock=clock,
        )

    async def call(self, method: str, channel: str = "") -> Answered:
        """`setChannel`, `unsetChannel`, `getChannel` or `listChannels` by the app's own code. Raises ValueError."""
        network, info, now = self._network(Ledger(), CutPlan()), self._info(), self._clock()
        match method:
            case "setChannel":
                return await self._channels.set(network, info, channel, now)
            case "unsetChannel":
                return await self._channels.unset(network, info, now)
            case "getChannel":
                return await self._channels.get(network, info, now)
            case "listChannels":
                return await self._channels.list(network, info, now)
        raise ValueError(f"the plugin has no call {method!r}")

    @property
    def version_name(self) -> str:
        """What every request says is running: on builtin the word, or the native version (device-protocol §1.2)."""
        current = self.state.current
        return current.version if current else self._builtin_name

    @property
    def _builtin_name(self) -> str:
        return BUILTIN_ID if self.profile.says_builtin else self.identity.version_build

    @property
    def folder(self) -> Path | None:
        current = self.state.current
        return self.state.folder_of(current) if current else self._builtin

    async def check_and_update(self, *, boot_ok: bool = True, cut: CutPlan | None = None) -> UpdateOutcome:
        """One update cycle to its end. `boot_ok` False: the new bundle never calls notifyAppReady.

        A faulty server or line shows in the outcome; nothing of it is raised.
        """
        started, ledger = self._clock(), Ledger()
        network = self._network(ledger, cut or CutPlan())
        try:
            result, reason = await self._cycle(network, ledger, boot_ok)
        except ProcessKilled as killed:
            result, reason = UpdateResult.KILLED, str(killed)
        except StillRetrying as waiting:
            result, reason = UpdateResult.WAITING, str(waiting)
        if result is not UpdateResult.KILLED:
            await self._reporter.flush(network, ledger)
        return UpdateOutcome(
            result=result,
            reason=reason,
            version=self.version_name,
            folder=self.folder,
            seconds=self._clock() - started,
            ledger=ledger,
        )

    async def _cycle(self, network: DeviceNetwork, ledger: Ledger, boot_ok: bool) -> tuple[UpdateResult, str]:
        now = self._clock()
        if self._gate.closed(now):
            return UpdateResult.SKIPPED, "rate_limit_exceeded"
        if self._downloading_since is not None and now - self._downloading_since < STUCK_DOWNLOAD_SECONDS:
            return UpdateResult.SKIPPED, "download in progress"
        self._downloading_since = None
        self.state.drop_old_partials(now)
        answer = await self._ask(network, ledger)
        ledger.events += getattr(answer, "events", ())
        match answer:
            case UpdateFound():
                return await self._update(answer, network, ledger, boot_ok)
            case answers.NoUpdate(reason):
                return UpdateResult.UP_TO_DATE, reason
            case answers.Revert():
                return self._revert()
            case answers.RateLimited(reason=reason):
                return self._fail_limited(reason)
            case answers.BlockedAnswer(reason, report) | answers.FailedAnswer(reason, report):
                if report is not None:
                    self._reporter.report(report, self.version_name)
                return UpdateResult.BLOCKED if isinstance(
                    answer, answers.BlockedAnswer
                ) else UpdateResult.FAILED, reason

    async def _ask(self, network: DeviceNetwork, ledger: Ledger) -> ReadAnswer:
        try:
            reply = await network.post(self._update_url, json.dumps(self._info()).encode())
        except TransferFailed:
            return no_answer(self.profile)
        if reply.status == 429 and self._gate.hear_429(reply.headers, reply.body, self._clock()):
            await self._reporter.send_rate_limit_reached(network, ledger)
        return read_answer(self.profile, reply.status, reply.body, self.version_name)

    def _info(self) -> dict[str, Any]:
        return self._build_info(self.version_name, self._key_id)

    def _build_info(self, version_name: str, key_id: str) -> dict[str, Any]:
        """With the channel that the app chose in place of its configuration's."""
        chosen = replace(self.identity, default_channel=self.state.channel or self.identity.default_channel)
        return build_info(self.profile, chosen, version_name, key_id)

    def _fail_limited(self, reason: str) -> tuple[UpdateResult, str]:
        # A latched release skips its own report of the failure too; the others keep it until they may speak again.
        if self.profile.rate_limit is RateLimit.RETRY_AFTER:
            self._reporter.report(answers.DOWNLOAD_FAIL, self.version_name)
        return UpdateResult.FAILED, reason

    async def _update(
        self, update: UpdateFound, network: DeviceNetwork, ledger: Ledger, boot_ok: bool
    ) -> tuple[UpdateResult, str]:
        found = self.state.find(update.version)
        if found is not None and found.status is BundleStatus.ERROR:
            return self._fail("the bundle's record says error", ledger, self.version_name)
        if found is None:
            self._downloading_since = self._clock()
            try:
                found = await self._download(update, network, ledger)
            except UpdateFailed as error:
                return self._fail_download(error, update, ledger)
            self._downloading_since = None
        return self._start(found, boot_ok, ledger)

    async def _download(self, update: UpdateFound, network: DeviceNetwork, ledger: Ledger) -> InstalledBundle:
        installer = Installer(
            self.profile,
            self.state,
            network,
            ledger,
            self._reporter,
            key=self._key,
            builtin=self._builtin,
            sleep=self._sleep,
            patience_seconds=self._patience_seconds,
            on_progress=self._on_progress,
        )
        return await installer.install(update, secrets.token_hex(5))

    def _fail_download(self, error: UpdateFailed, update: UpdateFound, ledger: Ledger) -> tuple[UpdateResult, str]:
        for cause in error.causes:
            self._report_cause(cause, update)
        if error.hangs:
            return UpdateResult.FAILED, error.reason  # no event, no `download_fail`, and the mark stays
        self._downloading_since = None
        if error.downloaded and self.profile.wrong_key.says_finish:
            self._reporter.report("finish_download_fail", update.version)
        # Android takes the name from the failed job's output, which holds only the error (device-protocol §4.1).
        nameless = self.profile.has_download_jobs and not error.downloaded
        return self._fail(error.reason, ledger, None if nameless else self.version_name)

    def _report_cause(self, cause: ReportedCause, update: UpdateFound) -> None:
        """Android names the bundle that runs in what it says of an archive (plugin-capabilities §9)."""
        if cause.subject:
            if self.profile.reports_phases:
                self._reporter.report_download(cause.action, f"{update.version}:{cause.subject}")
        elif cause.action == "manifest_path_fail":
            self._reporter.report_download(cause.action, update.version)
        else:
            of_running = self.profile.android and cause.action != "decrypt_fail"
            self._reporter.report(cause.action, self.version_name if of_running else update.version)

    def _fail(self, reason: str, ledger: Ledger, version_name: str | None) -> tuple[UpdateResult, str]:
        self._reporter.report(answers.DOWNLOAD_FAIL, version_name)
        ledger.events += ["downloadFailed", "noNeedUpdate"]
        return UpdateResult.FAILED, reason

    def _revert(self) -> tuple[UpdateResult, str]:
        previous = self.state.current
        if previous is None:
            return UpdateResult.UP_TO_DATE, "already on builtin"
        self.state.run(None)
        self._reporter.report("reset", self.version_name, previous.version)
        return UpdateResult.REVERTED, "builtin"

    def _start(self, bundle: InstalledBundle, boot_ok: bool, ledger: Ledger) -> tuple[UpdateResult, str]:
        """`set`, then notifyAppReady - or the roll-back, which deletes the bundle and blocks nothing (§1.8)."""
        if not (self.state.folder_of(bundle) / "index.html").is_file():
            self._reporter.report("set_fail", bundle.version, self.version_name)
            self.state.delete(bundle)
            return UpdateResult.FAILED, "no index.html"
        previous, old_version = self.state.current, self.version_name
        if self.profile.reports_next:
            self._reporter.report("set_next", bundle.version, old_version)
        self.state.run(bundle)
        self._reporter.report("set", bundle.version, old_version)
        if not boot_ok:
            return self._roll_back(bundle, previous, ledger)
        self.state.mark(bundle, BundleStatus.SUCCESS)
        if previous is not None:
            self._delete(previous)
        return UpdateResult.UPDATED, "installed"

    def _roll_back(
        self, bundle: InstalledBundle, previous: InstalledBundle | None, ledger: Ledger
    ) -> tuple[UpdateResult, str]:
        """It goes by way of builtin, also where a bundle ran before (plugin-capabilities §9)."""
        ledger.events.append("updateFailed")
        self._reporter.report("update_fail", bundle.version)
        self.state.run(None)
        if self.profile.reports_reset_of_failed_boot:
            self._reporter.report("reset", self._builtin_name, bundle.version)
        if previous is not None:
            if not self.profile.ends_failed_boot_on_builtin:
                self.state.run(previous)
            self._reporter.report("set", previous.version, self._builtin_name)
        self._delete(bundle)
        return UpdateResult.ROLLED_BACK, "notifyAppReady was not called in time"

    def _delete(self, bundle: InstalledBundle) -> None:
        self.state.delete(bundle)
        if self.profile.reports_deleted:
            self._reporter.report("delete", bundle.version)

    def _network(self, ledger: Ledger, cuts: CutPlan) -> DeviceNetwork:
        return DeviceNetwork(
            self.profile,
            self._session,
            ledger,
            user_agent=user_agent(self.profile, self.identity),
            zip_user_agent=zip_user_agent(self.profile, self.identity),
            response_timeout_seconds=self._response_timeout_seconds,
            clock=self._clock,
            cuts=cuts,
        )

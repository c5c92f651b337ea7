"""A device with the Capacitor plugin: check, download, verify, install, start and report, as one release does.

One `Device` is one launch of the app: its memory ends with it, its storage is in `state_folder`. Time and sleep come
from the setup, so nothing here waits by itself.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.device.behaviours import RateLimit
from edge.device.channels import Answered, Channels
from edge.device.failure import ProcessKilled, ReportedCause, StillRetrying, UpdateFailed
from edge.device.identity import build_info
from edge.device.ledger import Ledger, UpdateOutcome, UpdateResult
from edge.device.network import CutPlan, DeviceNetwork, TransferFailed
from edge.device.rate_limit import RateGate
from edge.device.reports import Reporter
from edge.device.setup import DeviceSetup
from edge.device.state import BUILTIN_ID, BundleStatus, DeviceState, InstalledBundle
from edge.device.updating import answer as answers
from edge.device.updating.answer import ReadAnswer, UpdateFound, no_answer, read_answer
from edge.device.updating.crypto import DeviceKey
from edge.device.updating.install import Installer

BootOk = bool | Callable[[str], bool]  # whether a new bundle calls notifyAppReady; of the version that was offered
STUCK_DOWNLOAD_SECONDS = 600.0  # after which a "download in progress" mark counts as stale, PROTOCOL.md §1.8


class Device:
    """One launch of the app."""

    def __init__(self, setup: DeviceSetup) -> None:
        """Raises ValueError for a public key that the app would not start with."""
        self._setup = setup
        self._clock = setup.clock
        self.profile = profile = setup.profile
        self.identity = setup.identity
        self.state = DeviceState(setup.state_folder)
        public_key = setup.public_key if profile.holds_public_key else None
        self._key = DeviceKey(public_key, profile.encryption) if public_key is not None else None
        self._key_id = self._key.key_id(profile.key_id_characters) if self._key else ""
        self._gate = RateGate(profile.rate_limit)
        self._channels = Channels(profile, self.state, self._gate, setup.channel_url)
        self._downloading_since: float | None = None
        self._reporter = Reporter(
            profile,
            self.state,
            self._gate,
            stats_url=setup.stats_url,
            key_id=self._key_id,
            info=self._build_info,
            running=lambda: self.version_name,
            clock=setup.clock,
        )

    async def call(self, method: str, channel: str = "") -> Answered:
        """`setChannel`, `unsetChannel`, `getChannel` or `listChannels` by the app's own code. Raises ValueError."""
        network, info, now = self._setup.network(Ledger(), CutPlan()), self._info(), self._clock()
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
        """The running version in every request; on builtin that word, or the native version (PROTOCOL.md §1.2)."""
        current = self.state.current
        return current.version if current else self._builtin_name

    @property
    def _builtin_name(self) -> str:
        return BUILTIN_ID if self.profile.sends_builtin else self.identity.version_build

    @property
    def folder(self) -> Path | None:
        """The running bundle's files; on builtin the given folder, or None."""
        current = self.state.current
        return self.state.folder_of(current) if current else self._setup.builtin

    async def check_and_update(self, *, boot_ok: BootOk = True, cut: CutPlan | None = None) -> UpdateOutcome:
        """Run one update cycle to its end. With `boot_ok` False, the new bundle never calls notifyAppReady.

        Faults of the server or the connection show in the outcome; none is raised.
        """
        started, ledger = self._clock(), Ledger()
        network = self._setup.network(ledger, cut or CutPlan())
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

    async def tell(self, *actions: str) -> Ledger:
        """Report what becomes of the app, such as `app_moved_to_foreground`, all about the bundle that runs now."""
        ledger = Ledger()
        for action in actions:
            self._reporter.report(action, self.version_name)
        await self._reporter.flush(self._setup.network(ledger, CutPlan()), ledger)
        return ledger

    async def _cycle(self, network: DeviceNetwork, ledger: Ledger, boot_ok: BootOk) -> tuple[UpdateResult, str]:
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
            reply = await network.post(self._setup.update_url, json.dumps(self._info()).encode())
        except TransferFailed:
            return no_answer(self.profile)
        if reply.status == 429 and self._gate.take_429(reply.headers, reply.body, self._clock()):
            await self._reporter.send_rate_limit_reached(network, ledger)
        return read_answer(self.profile, reply.status, reply.body, self.version_name)

    def _info(self) -> dict[str, Any]:
        return self._build_info(self.version_name, self._key_id)

    def _build_info(self, version_name: str, key_id: str) -> dict[str, Any]:
        """With the channel that the app chose, if any, in place of the configured one."""
        chosen = replace(self.identity, default_channel=self.state.channel or self.identity.default_channel)
        return build_info(self.profile, chosen, version_name, key_id)

    def _fail_limited(self, reason: str) -> tuple[UpdateResult, str]:
        # A latched release does not even report the failure; the others keep the report until they may send again.
        if self.profile.rate_limit is RateLimit.RETRY_AFTER:
            self._reporter.report(answers.DOWNLOAD_FAIL, self.version_name)
        return UpdateResult.FAILED, reason

    async def _update(
        self, update: UpdateFound, network: DeviceNetwork, ledger: Ledger, boot_ok: BootOk
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
            builtin=self._setup.builtin,
            sleep=self._setup.sleep,
            patience_seconds=self._setup.patience_seconds,
            on_progress=self._setup.on_progress,
        )
        return await installer.install(update, secrets.token_hex(5))

    def _fail_download(self, error: UpdateFailed, update: UpdateFound, ledger: Ledger) -> tuple[UpdateResult, str]:
        for cause in error.causes:
            self._report_cause(cause, update)
        if error.hangs:
            return UpdateResult.FAILED, error.reason  # no event, no `download_fail`, and the mark stays
        self._downloading_since = None
        if error.downloaded and self.profile.wrong_key.reports_finish:
            self._reporter.report("finish_download_fail", update.version)
        # Android takes the name from the failed job's output, which contains only the error (PROTOCOL.md §4.1).
        nameless = self.profile.has_download_jobs and not error.downloaded
        return self._fail(error.reason, ledger, None if nameless else self.version_name)

    def _report_cause(self, cause: ReportedCause, update: UpdateFound) -> None:
        """In reports about an archive, Android names the running bundle (PROTOCOL.md §5.8)."""
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

    def _start(self, bundle: InstalledBundle, boot_ok: BootOk, ledger: Ledger) -> tuple[UpdateResult, str]:
        """`set`, then notifyAppReady, or the rollback, which deletes the bundle and blocks nothing (§1.8)."""
        if not (self.state.folder_of(bundle) / "index.html").is_file():
            self._reporter.report("set_fail", bundle.version, self.version_name)
            self.state.delete(bundle)
            return UpdateResult.FAILED, "no index.html"
        previous, old_version = self.state.current, self.version_name
        if self.profile.reports_next:
            self._reporter.report("set_next", bundle.version, old_version)
        self.state.run(bundle)
        self._reporter.report("set", bundle.version, old_version)
        if not (boot_ok if isinstance(boot_ok, bool) else boot_ok(bundle.version)):
            return self._roll_back(bundle, previous, ledger)
        self.state.mark(bundle, BundleStatus.SUCCESS)
        if previous is not None:
            self._delete(previous)
        return UpdateResult.UPDATED, "installed"

    def _roll_back(
        self, bundle: InstalledBundle, previous: InstalledBundle | None, ledger: Ledger
    ) -> tuple[UpdateResult, str]:
        """Back to the previous bundle by way of builtin (PROTOCOL.md §4.5)."""
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

"""What one launch of a simulated device is given: the release, who it is, its storage, and how it reaches a node."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import aiohttp

from edge.device.identity import Identity, user_agent, zip_user_agent
from edge.device.ledger import DownloadProgress, Ledger, ProgressListener
from edge.device.network import CutPlan, DeviceNetwork
from edge.device.profile import Profile

RESPONSE_TIMEOUT_SECONDS = 20.0  # the plugin's default
PATIENCE_SECONDS = 3600.0  # how long to watch a release that retries without end

Sleep = Callable[[float], Awaitable[None]]


def _ignore(_progress: DownloadProgress) -> None:
    return None


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """`session` has no cookies that matter; the device adds its own headers. `builtin` holds the files inside the
    native app, `public_key` is the PEM in the app's configuration. `clock` returns seconds since the epoch.
    """

    profile: Profile
    identity: Identity
    state_folder: Path
    session: aiohttp.ClientSession
    _: KW_ONLY
    update_url: str
    stats_url: str  # empty: no reports
    channel_url: str = ""
    public_key: str | None = None
    builtin: Path | None = None
    response_timeout_seconds: float = RESPONSE_TIMEOUT_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.time
    network_clock: Callable[[], float] | None = None  # of limits on transfers, where the device's own clock is fast
    sleep: Sleep = asyncio.sleep
    on_progress: ProgressListener = _ignore

    def network(self, ledger: Ledger, cuts: CutPlan) -> DeviceNetwork:
        """The connections of one update."""
        return DeviceNetwork(
            self.profile,
            self.session,
            ledger,
            user_agent=user_agent(self.profile, self.identity),
            zip_user_agent=zip_user_agent(self.profile, self.identity),
            response_timeout_seconds=self.response_timeout_seconds,
            clock=self.network_clock or self.clock,
            cuts=cuts,
        )

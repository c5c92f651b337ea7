"""A simulated device that becomes a power user of the demo at once: it was used for days without a connection.

Its plugin kept what it had to report, each event with its time, and sends all of it in one request when it is online
again. So the node counts twelve sessions at once, which is above the border of the segment, and judges it by them.
"""

import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from edge.cli.demo.release import APP, NATIVE
from edge.cli.terminal.client import ControlClient, app_path
from edge.device.identity import Identity
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import Platform

POWER_USER = "0000c0de-eefe-490a-9c60-8e965132ae51"
PLUGIN_OF_IT = "8.51.14"
SESSIONS = 12
HOURS_APART, MINUTES_LONG = 6, 8
NOWHERE = "http://127.0.0.1:1"  # nobody listens there: the device has no connection


async def use_without_connection(address: str, folder: Path, *, clock: Callable[[], float] = time.time) -> int:
    """Use the app until now, and report it to the node at `address`. `folder` is the device's storage. Returns how
    many events the node acknowledged."""
    began = clock() - SESSIONS * HOURS_APART * 3600
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        for number in range(SESSIONS):
            opened = began + number * HOURS_APART * 3600
            await _launch(session, NOWHERE, folder, opened).tell("app_moved_to_foreground")
            await _launch(session, NOWHERE, folder, opened + MINUTES_LONG * 60).tell("app_moved_to_background")
        ledger = await _launch(session, address, folder, clock()).tell()
    return len(ledger.reports)


def is_power_user(client: ControlClient) -> tuple[bool, str]:
    """Whether the device is in the segment, and what that was judged by. Blocks."""
    question = {
        "app_id": APP,
        "device_id": POWER_USER,
        "platform": "android",
        "version_build": NATIVE,
        "version_name": NATIVE,
        "plugin_version": PLUGIN_OF_IT,
    }
    tested = client.post(app_path(APP, "segments", "power-users", "test"), {"device": question})
    return tested["matches"], tested["judged"]


def _launch(session: aiohttp.ClientSession, address: str, folder: Path, at: float) -> Device:
    return Device(
        DeviceSetup(
            build_profile(Platform.ANDROID, PLUGIN_OF_IT),
            Identity(app=APP, device_id=POWER_USER, version_build=NATIVE),
            folder,
            session,
            update_url=f"{address}/updates",
            stats_url=f"{address}/stats",
            clock=lambda: at,
        )
    )

"""Debian's Firefox without a screen, whose push service is on loopback, and which reaches nothing beyond it."""

import asyncio
import os
import shutil
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
DEAD_PROXY_PORT = 9  # discard: whatever Firefox asks of its makers at start stays here

PREFERENCES = {
    "dom.push.testing.allowInsecureServerURL": True,
    "dom.push.testing.ignorePermission": True,
    "dom.push.connection.enabled": True,
    "dom.push.enabled": True,
    "dom.serviceWorkers.enabled": True,
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": DEAD_PROXY_PORT,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": DEAD_PROXY_PORT,
    "network.proxy.no_proxies_on": "localhost,127.0.0.1",
    "network.proxy.allow_hijacking_localhost": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "app.update.enabled": False,
}


def make_profile(folder: Path, push_service: str, page_origin: str) -> None:
    """With the permission for notifications, as a person would have given it."""
    folder.mkdir()
    asked = PREFERENCES | {"dom.push.serverURL": push_service.replace("http://", "ws://") + "/push"}
    lines = [f'user_pref("{name}", {_written(value)});' for name, value in asked.items()]
    (folder / "user.js").write_text("\n".join(lines) + "\n")
    database = sqlite3.connect(folder / "permissions.sqlite")
    database.executescript(
        "CREATE TABLE moz_perms (id INTEGER PRIMARY KEY, origin TEXT, type TEXT, permission INTEGER, "
        "expireType INTEGER, expireTime INTEGER, modificationTime INTEGER);"
        "CREATE TABLE moz_hosts (id INTEGER PRIMARY KEY, host TEXT, type TEXT, permission INTEGER, "
        "expireType INTEGER, expireTime INTEGER, modificationTime INTEGER, isInBrowserElement INTEGER);"
        "PRAGMA user_version = 12;"
    )
    row = (1, page_origin, "desktop-notification", 1, 0, 0, 1_700_000_000_000)
    database.execute("INSERT INTO moz_perms VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    database.commit()
    database.close()


@asynccontextmanager
async def firefox(profile: Path, address: str):
    """Runs it on the page until the block ends."""
    assert FIREFOX is not None
    environment = {**os.environ, "HOME": str(profile.parent), "MOZ_CRASHREPORTER_DISABLE": "1"}
    process = await asyncio.create_subprocess_exec(
        *(FIREFOX, "--headless", "--no-remote", "--profile", str(profile), address),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 15)
            try:
                async with asyncio.timeout(15):
                    await process.wait()
            except TimeoutError:
                os.killpg(process.pid, 9)
                await process.wait()


def _written(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f'"{value}"'

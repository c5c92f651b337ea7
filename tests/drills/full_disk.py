"""A node on a full disk of 20 MB, running and at its start: `python -m tests.drills.full_disk`.

Mounts the disk in a mount namespace of its own, as root or in a user namespace: a tmpfs and, where that is possible, an
ext4. Both times it proves that checks and downloads are answered, that what must write is refused with 507 and 503,
that a pause, a rollback, a withdrawal and the end of a token are carried out all the same, and that `/readyz` stays
green; then it makes room and proves that the running node writes again, and that every acknowledged report was counted.
At last it starts the node on the same disk read-only. Exit code 1 for anything else. Linux.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from edge.assembly.standalone import Standalone
from edge.cli.demo.demo import prepare
from edge.cli.demo.release import APP, BETA, CHANNEL, NATIVE
from edge.cli.terminal.client import ControlClient, RequestRefused, app_path
from edge.config import Config, Control, Devices

DISK_BYTES = 20 << 20
RECOVERY_SECONDS = 60.0  # the node looks every 15 s
REPORTS = 20
INSIDE = "--inside"


class Wrong(Exception):
    """Something that the drill does not expect."""


def main() -> int:
    if INSIDE not in sys.argv:
        flags = ["-m"] if os.geteuid() == 0 else ["-Urm"]
        return subprocess.call(["unshare", *flags, sys.executable, "-m", "tests.drills.full_disk", INSIDE])
    kinds = (
        (_mount_tmpfs, _mount_ext4)
        if shutil.which("mkfs.ext4") and Path("/dev/loop-control").exists()
        else (_mount_tmpfs,)
    )
    return max(_drill(mount) for mount in kinds)


def _drill(mount: Callable[[Path, Path], None]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk"
        disk.mkdir()
        mount(disk, Path(folder) / "image")
        print(f"on {mount.__name__.removeprefix('_mount_')}", flush=True)
        try:
            asyncio.run(Drill(disk).run())
        except Wrong as wrong:
            print(f"wrong: {wrong}")
            return 1
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
    return 0


def _mount_tmpfs(disk: Path, _image: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(disk)], check=True)


def _mount_ext4(disk: Path, image: Path) -> None:
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)


class Drill:
    """One disk, and what was acknowledged on it."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._filler = disk / "filler"
        devices = Devices(host="127.0.0.1", port=0, workers=1)
        self._config = Config(data_dir=str(disk / "data"), devices=devices, control=Control(port=0))
        self._acknowledged = 0
        self._blob = b""

    async def run(self) -> None:
        async with aiohttp.ClientSession() as session:
            await self._serve(session, self._fills_while_running)
            self._fill()
            await self._serve(session, self._started_on_a_full_disk)
            subprocess.run(["mount", "-o", "remount,ro", str(self._disk)], check=True)
            await self._serve(session, self._started_read_only)
        print(f"{self._acknowledged} acknowledged reports, all counted", flush=True)

    async def _serve(self, session: aiohttp.ClientSession, part: Callable[..., Any]) -> None:
        node = Standalone(self._config)
        async with node.running():
            secret = node.admin_token_file.read_text().strip()
            client = ControlClient(f"http://127.0.0.1:{node.control_port}", secret)
            try:
                await part(node, client, session)
            finally:
                await asyncio.to_thread(client.close)

    async def _fills_while_running(
        self, node: Standalone, client: ControlClient, session: aiohttp.ClientSession
    ) -> None:
        await asyncio.to_thread(prepare, node)
        rollout = {"bundle": BETA.version, "steps": ["50%", "100%"]}
        await self._changed(client, "rollout", rollout)
        await asyncio.to_thread(client.post, "/v1/tokens", {"name": "leaked", "role": "node"})
        await self._report(node, session, 200)
        self._fill()
        await self._goes_on(node, client, session)
        await self._changed(client, "rollout", "pause")
        await self._changed(client, "rollback", {})
        await asyncio.to_thread(client.delete, "/v1/tokens/leaked")
        await self._goes_on(node, client, session)
        print("filled while running: served, refused, paused, rolled back, revoked a token", flush=True)

    async def _started_on_a_full_disk(
        self, node: Standalone, client: ControlClient, session: aiohttp.ClientSession
    ) -> None:
        await self._goes_on(node, client, session)
        offered = (await self._check(node, session))["version"]
        await asyncio.to_thread(
            client.post, app_path(APP, "bundles", offered, "withdraw"), {"reason": "found on a full disk"}
        )
        fallback = (await self._check(node, session))["version"]
        if fallback == offered:
            raise Wrong(f"{offered} is offered although it was withdrawn")
        print(f"started on the full disk: served, refused, and withdrew {offered} for {fallback}", flush=True)
        self._filler.unlink()
        begun = time.monotonic()
        while "edge_disk_full 0" not in await self._metrics(node, session):
            if time.monotonic() - begun > RECOVERY_SECONDS:
                raise Wrong("there is room, and the node does not take it")
            await asyncio.sleep(0.5)
        await self._report(node, session, 200)
        await asyncio.to_thread(client.post, app_path(APP, "channels"), {"name": "afterwards"})
        await asyncio.to_thread(self._upload, client, 200)
        counts = (await asyncio.to_thread(client.get, app_path(APP, "stats")))["counts"]
        counted = sum(each["n"] for each in counts if each["action"] == "app_launch_ready")
        if counted != self._acknowledged:
            raise Wrong(f"{self._acknowledged} reports were acknowledged, {counted} counted")
        print(f"room again: writes after {time.monotonic() - begun:.0f} s", flush=True)

    async def _started_read_only(self, node: Standalone, client: ControlClient, session: aiohttp.ClientSession) -> None:
        await self._goes_on(node, client, session, "storage_read_only")
        print("started read-only: served, refused", flush=True)

    async def _goes_on(
        self, node: Standalone, client: ControlClient, session: aiohttp.ClientSession, code: str = "storage_full"
    ) -> None:
        """Checks, a download and the probe are answered; what must write is refused."""
        offer = await self._check(node, session)
        async with session.get(offer["url"]) as response:
            content = await response.read()
            if response.status != 200 or hashlib.sha256(content).hexdigest() != offer["checksum"]:
                raise Wrong(f"a download of {offer['version']} was answered with {response.status}")
        async with session.get(f"http://127.0.0.1:{node.device_port}/readyz") as response:
            if response.status != 200:
                raise Wrong(f"/readyz says {response.status}: {await response.text()}")
        if "edge_disk_full 1" not in await self._metrics(node, session):
            raise Wrong("the metrics do not say that the disk is full")
        await self._report(node, session, 503)
        await asyncio.to_thread(self._upload, client, 507)
        await self._refused(lambda: client.post(app_path(APP, "channels"), {"name": "never"}), code)

    async def _check(self, node: Standalone, session: aiohttp.ClientSession) -> dict[str, str]:
        question = _device() | {"version_build": NATIVE, "version_name": NATIVE}
        async with session.post(f"http://127.0.0.1:{node.device_port}/updates", json=question) as response:
            offer: dict[str, str] = await response.json()
            if response.status != 200 or "url" not in offer:
                raise Wrong(f"a check was answered with {response.status}: {offer}")
            return offer

    async def _report(self, node: Standalone, session: aiohttp.ClientSession, status: int) -> None:
        for _ in range(REPORTS):
            event = _device() | {"version_name": NATIVE, "version_build": NATIVE, "action": "app_launch_ready"}
            async with session.post(f"http://127.0.0.1:{node.device_port}/stats", json=event) as response:
                self._acknowledged += response.status == 200
                if response.status != status or (status == 503 and "Retry-After" not in response.headers):
                    raise Wrong(f"a report was answered with {response.status}, not {status}")

    async def _changed(self, client: ControlClient, what: str, how: Any) -> None:
        parts, body = (what,), how
        if isinstance(how, str):
            parts, body = (what, how), None
        answer = await asyncio.to_thread(client.post, app_path(APP, "channels", CHANNEL, *parts), body)
        if not answer["changed"]:
            raise Wrong(f"{parts} changed nothing")

    async def _refused(self, request: Callable[[], Any], code: str) -> None:
        try:
            await asyncio.to_thread(request)
        except RequestRefused as refused:
            told = code != "storage_full" or "bytes are missing" in refused.message
            if (refused.answered, refused.code) != (507, code) or not told:
                raise Wrong(f"refused with {refused.answered} {refused.code}: {refused.message}") from refused
            return
        raise Wrong("a change was made on a full disk")

    def _upload(self, client: ControlClient, status: int) -> None:
        content = os.urandom(100_000)
        digest = hashlib.sha256(content).hexdigest()
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            try:
                client.upload(app_path(APP, "blobs", digest), Path(file.name), lambda _: None)
                answered = 200
            except RequestRefused as refused:
                answered = refused.answered
        if answered != status:
            raise Wrong(f"an upload was answered with {answered}, not {status}")

    async def _metrics(self, node: Standalone, session: aiohttp.ClientSession) -> str:
        secret = node.admin_token_file.read_text().strip()
        address = f"http://127.0.0.1:{node.control_port}/v1/metrics"
        async with session.get(address, headers={"Authorization": f"Bearer {secret}"}) as response:
            return await response.text()

    def _fill(self) -> None:
        """To the last byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue


def _device() -> dict[str, str]:
    return {"platform": "android", "device_id": str(uuid.uuid4()), "app_id": APP, "plugin_version": "8.51.14"}


if __name__ == "__main__":
    raise SystemExit(main())

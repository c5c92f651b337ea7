"""A small honest server with switches for dishonesty, and devices pointed at it."""

import hashlib
import io
import random
import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import brotli
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.device.identity import Identity
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import Platform

APP = "com.example.app"
DEVICE_ID = "0b9c4e51-7d7e-4f4e-9e57-0123456789ab"


def web_build(seed: int) -> dict[str, bytes]:
    """An app: a page, a compressible script, noise that is not, and a file in a folder."""
    noise = random.Random(seed)
    return {
        "index.html": f"<!doctype html><title>{seed}</title>".encode(),
        "assets/app.js": f"// build {seed}\n".encode() + b"export const answer = 42;\n" * 800,
        "assets/photo.jpg": noise.randbytes(150_000),
        "assets/same.css": b"body { margin: 0 }\n",
    }


def zipped(files: dict[str, bytes], top: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(top + name, content)
    return out.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def crc32(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def files_in(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256(p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: sha256(content) for name, content in files.items()}


class World:
    """`blobs` by path are served with single open ranges; `answer` is what /updates says."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.answer: tuple[int, Any] = (200, {})
        self.answer_headers: dict[str, str] = {}
        self.ignore_range = False
        self.end_of_file = "416"  # or "empty 206", what a request at the end of a file gets
        self.fail_first: list[int] = []  # statuses the next blob requests get instead of bytes
        self.broken: set[str] = set()  # paths that are always 503
        self.close_after: list[int] = []  # bytes after which the next bodies end too early
        self.asked: list[dict[str, Any]] = []
        self.ranges: list[str] = []
        self.encodings: list[str] = []  # Accept-Encoding of each blob request
        self.stats: list[Any] = []
        self.stats_statuses: list[int] = []  # what the next /stats requests get; then 200
        self.served: Counter[str] = Counter()
        self.user_agents: dict[str, str] = {}
        self.waits: list[float] = []
        self.base = ""
        self.session: aiohttp.ClientSession

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/updates", self._updates), web.post("/stats", self._stats)])
        app.add_routes([web.get("/blob/{path:.*}", self._blob)])
        self._server = TestServer(app)
        await self._server.start_server()
        self.base = str(self._server.make_url("")).rstrip("/")
        self.session = aiohttp.ClientSession()

    async def stop(self) -> None:
        await self.session.close()
        await self._server.close()

    def url(self, path: str) -> str:
        return f"{self.base}/blob/{path}"

    def offer_zip(self, version: str, archive: bytes, checksum: str | None, **more: Any) -> None:
        self.blobs[f"{version}.zip"] = archive
        body = {"version": version, "url": self.url(f"{version}.zip"), "session_key": "", "checksum": checksum}
        self.answer = (200, body | more)

    def offer_manifest(self, version: str, files: dict[str, bytes], *, compress: str = "suffix", **more: Any) -> None:
        """`compress`: `suffix` (big ones, name with .br), `every` (all, names unchanged) or `none`."""
        entries = []
        for name, content in files.items():
            stored, listed = content, name
            if compress == "every" or (compress == "suffix" and len(content) > 8192):
                stored = brotli.compress(content, quality=5)
                listed = name if compress == "every" else name + ".br"
            path = f"file/{sha256(stored)}"
            self.blobs[path] = stored
            entries.append({"file_name": listed, "file_hash": sha256(content), "download_url": self.url(path)})
        body = {"version": version, "url": self.url("no.zip"), "session_key": "", "checksum": "", "manifest": entries}
        self.answer = (200, body | more)

    def device(self, platform: str, release: str, folder: Path, **more: Any) -> Device:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        identity = more.pop("identity", Identity(app=APP, device_id=DEVICE_ID))
        return Device(
            DeviceSetup(
                build_profile(Platform(platform), release),
                identity,
                folder,
                self.session,
                **{
                    "update_url": f"{self.base}/updates",
                    "stats_url": f"{self.base}/stats",
                    "sleep": sleep,
                    **more,
                },
            )
        )

    async def _updates(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.user_agents["updates"] = request.headers["User-Agent"]
        status, body = self.answer
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=self.answer_headers)
        return web.json_response(body, status=status, headers=self.answer_headers)

    async def _stats(self, request: web.Request) -> web.Response:
        self.stats.append(await request.json())
        return web.json_response({"status": "ok"}, status=self.stats_statuses.pop(0) if self.stats_statuses else 200)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        self.served[path] += 1
        self.user_agents["blob"] = request.headers["User-Agent"]
        self.encodings.append(request.headers["Accept-Encoding"])
        if path in self.broken:
            return web.Response(status=503)
        if self.fail_first:
            return web.Response(status=self.fail_first.pop(0))
        if path not in self.blobs:
            return web.Response(status=404)
        return await self._send(request, self.blobs[path], asked)

    async def _send(self, request: web.Request, content: bytes, asked: str) -> web.StreamResponse:
        response = web.StreamResponse()
        match = re.fullmatch(r"bytes=(\d+)-", asked)
        if match and not self.ignore_range:
            start, size = int(match[1]), len(content)
            if start >= size:
                status = 416 if self.end_of_file == "416" else 206
                return web.Response(status=status, headers={"Content-Range": f"bytes */{size}"})
            content = content[start:]
            response = web.StreamResponse(status=206, headers={"Content-Range": f"bytes {start}-{size - 1}/{size}"})
        response.content_length = len(content)
        await response.prepare(request)
        if self.close_after:
            await response.write(content[: self.close_after.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(content)
        return response

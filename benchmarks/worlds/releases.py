"""Releases to measure with, written into a data directory before its node starts, and the checks that devices send.

Bundles are random bytes of a wished size: nothing unpacks them, and nothing can win by compressing them.
"""

import hashlib
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.domain.buckets import bucket_of
from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    Command,
    CreateApp,
    CreateChannel,
    PublishBundle,
    SetChannel,
    StartRollout,
)
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, Bundle, Digest, FileEntry, VersionName
from edge.domain.plugin import Prefer
from edge.node.processes.data_directory import DataDirectory
from edge.store.objects.port import AlreadyExists, ObjectStore, blob_key

APP = "com.example.bench"
CHANNEL = "production"
NATIVE = "1.0.0"
PLUGIN = "8.51.14"  # of generation G3; takes manifests
ZIP_PLUGIN = "5.0.0"  # before manifests: its offers are zips
ROLLOUT = "bench-rollout"
PUBLIC_URL = "https://updates.example.com"


class Sizes(NamedTuple):
    """What a bundle holds: its zip's bytes, and the number and bytes of its manifest's files."""

    zip_bytes: int = 4096
    files: int = 10
    file_bytes: int = 1024


def make_bundle(store: ObjectStore, version: str, sizes: Sizes, seed: int = 0) -> Bundle:
    """Store its blobs and describe it. The same seed and sizes give the same bytes."""
    noise = random.Random(f"{seed} {sizes}")
    archive = put_blob(store, noise.randbytes(sizes.zip_bytes))
    digests = [put_blob(store, noise.randbytes(sizes.file_bytes)) for _ in range(sizes.files)]
    entries = [FileEntry(f"assets/{at:04}-file.js", each, each, sizes.file_bytes) for at, each in enumerate(digests)]
    return bundle_of(version, archive, sizes, put_blob(store, encode_manifest(entries)))


def bundle_of(version: str, archive: Digest, sizes: Sizes, manifest: Digest) -> Bundle:
    return Bundle(
        version=VersionName(version),
        content=Digest(hashlib.sha256(f"{archive}{manifest}".encode()).hexdigest()),
        zip=archive,
        zip_bytes=sizes.zip_bytes,
        zip_crc32="00000000",
        manifest=manifest,
        files=sizes.files,
        plain_bytes=sizes.files * sizes.file_bytes,
    )


def put_blob(store: ObjectStore, content: bytes) -> Digest:
    digest = Digest(hashlib.sha256(content).hexdigest())
    with suppress(AlreadyExists):  # named by its digest: the same bytes
        store.create(blob_key(digest), content)
    return digest


def prepare_app(data_dir: Path, bundles: Sequence[tuple[str, Sizes]]) -> dict[str, Bundle]:
    """One app with one public channel that offers the last of the bundles. Returns them by version."""
    truth = DataDirectory(data_dir, time.time())
    made = {version: make_bundle(truth.store, version, sizes, at) for at, (version, sizes) in enumerate(bundles)}
    *earlier, offered = made.values()
    commands: list[Command] = [
        CreateApp(app=APP),
        CreateChannel(name=CHANNEL, settings=ChannelSettings(public=True)),
        *(PublishBundle(bundle=bundle) for bundle in earlier),
        PublishBundle(bundle=offered, channel=CHANNEL),
    ]
    commit(truth, APP, commands)
    return made


def commit(truth: DataDirectory, app: str, commands: Sequence[Command], name: str = "bench") -> None:
    """The changes' ids are `<name>-<place>`."""
    for at, command in enumerate(commands):
        change = Change(id=f"{name}-{at}", at=time.time(), by="benchmarks", command=command)
        truth.releases.commit(AppId(app), change)


def roll_out(data_dir: Path, version: str, share: int, app: str = APP) -> None:
    """A rollout of a new bundle on the app's channel that stays at `share`, in thousandths of a percent."""
    truth = DataDirectory(data_dir, time.time())
    bundle = make_bundle(truth.store, version, Sizes(), seed=99)
    started = StartRollout(channel=CHANNEL, bundle=version, steps=(share,))
    commit(truth, app, [PublishBundle(bundle=bundle), started], ROLLOUT)


def offer_files(data_dir: Path) -> None:
    """Whatever the node would choose, the app's offers are manifests."""
    always = SetChannel(name=CHANNEL, settings=ChannelSettings(prefer=Prefer.MANIFEST))
    commit(DataDirectory(data_dir, time.time()), APP, [always], "files")


def outside(devices: Sequence[str], share: int, app: str = APP) -> list[str]:
    """Those whom the rollout of `roll_out` does not reach."""
    salt = f"rollout\0{app}\0{ROLLOUT}-1\0".encode()
    return [device for device in devices if bucket_of(salt, device) >= share]


def device_ids(count: int) -> list[str]:
    """As random as real ones, and the same on every run."""
    noise = random.Random("devices")
    return [_uuid(noise.getrandbits(128)) for _ in range(count)]


def question(device: str, *, app: str = APP, version: str = NATIVE, plugin: str = PLUGIN) -> dict[str, object]:
    """What a device that runs `version` posts to /updates."""
    return {
        "platform": "android",
        "device_id": device,
        "app_id": app,
        "custom_id": "",
        "version_build": NATIVE,
        "version_code": "1",
        "version_os": "14",
        "version_name": version,
        "plugin_version": plugin,
        "is_emulator": False,
        "is_prod": True,
    }


def check_request(asked: dict[str, object], host: str, *, close: bool = False) -> bytes:
    """The whole HTTP request, as the Android plugin's client words it."""
    body = json.dumps(asked, separators=(",", ":")).encode()
    connection = "close" if close else "Keep-Alive"
    head = (
        f"POST /updates HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        f"Host: {host}\r\nConnection: {connection}\r\nUser-Agent: okhttp/4.12.0\r\n\r\n"
    )
    return head.encode() + body


def post_request(path: str, body: str, host: str, *lines: str) -> bytes:
    """The whole HTTP request, with these lines in its head, on a connection that is kept."""
    head = (
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        *lines,
    )
    return "\r\n".join((*head, "", body)).encode()


def get_request(path: str, host: str, wanted: str = "") -> bytes:
    """`wanted` is a Range header's value, or "" for the whole."""
    line = f"Range: {wanted}\r\n" if wanted else ""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{line}User-Agent: okhttp/4.12.0\r\n\r\n".encode()


def _uuid(bits: int) -> str:
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

"""Patches of a bundle from what devices run now, made before it is published: which releases, and their files.

Old files come from this machine's own cache of compressed files, else from the node. What cannot be had is not patched:
patches save bytes, and a publish never fails for want of them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import brotli

from edge.bundles.chunks import read_chunks
from edge.bundles.limits import CHUNK_BYTES
from edge.bundles.packing.cache import PackingCache
from edge.bundles.packing.effort import FAST, SMALLEST
from edge.bundles.patches.making import LEAST_PATCHED_BYTES, MadePatches, bounded, make_patches
from edge.bundles.patches.wanted import NewFile, OldFile, earlier_releases, wanted_patches
from edge.bundles.sources.files import SourceFile
from edge.cli.terminal.client import ControlClient, RequestRefused, app_path
from edge.domain.file_names import BROTLI_SUFFIX, target_name
from edge.domain.model import Digest, FileEntry


class PatchedApp(NamedTuple):
    """Of which app, for which version and channel, from how many releases."""

    app: str
    version: str
    channel: str | None
    releases: int


def patch_bundle(
    client: ControlClient,
    of: PatchedApp,
    files: Sequence[SourceFile],
    entries: Sequence[FileEntry],
    workdir: Path,
    memory: PackingCache | None,
    report: Callable[[str, int, int], None],
) -> MadePatches | None:
    """The patches to these files, in `workdir`. None if there are none, as for a bundle with names in `.br`: its plain
    files have no addresses. Raises EdgeError only for a connection that breaks."""
    if not of.releases or any(file.name.endswith(BROTLI_SUFFIX) for file in files):
        return None
    new = {target_name(entry.name): NewFile(entry.hash, entry.bytes) for entry in entries}
    wanted = wanted_patches(new, _releases(client, of), LEAST_PATCHED_BYTES)
    return make_patches(
        wanted,
        {file.name: file.path for file in files},
        OldFiles(client, of.app, memory).read,
        workdir / "patches",
        time.monotonic,
        lambda done, total: report("patches", done, total),
    )


def _releases(client: ControlClient, of: PatchedApp) -> list[Mapping[str, OldFile]]:
    """The files of each release to patch from, by target name."""
    bundles: list[dict[str, Any]] = client.get(app_path(of.app, "bundles"))
    usable = [each["version"] for each in bundles if not (each["encrypted"] or each["withdrawn"] or not each["files"])]
    offered: dict[str, list[str]] = {}
    if of.channel is not None:
        channel = client.get(app_path(of.app, "channels", of.channel))
        offered = {"now": [channel["bundle"]], "earlier": channel["earlier"][::-1]}
    chosen = earlier_releases(of.version, offered, usable, of.releases)
    return [files_of(version, client.get(app_path(of.app, "bundles", version))["entries"]) for version in chosen]


def files_of(version: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, OldFile]:
    return {
        target_name(each["name"]): OldFile(
            version, Digest(each["hash"]), Digest(each["blob"]), each["bytes"], each["blob"] != each["hash"]
        )
        for each in entries
    }


class OldFiles:
    """Reads the plain bytes of old files; the node's answers are believed only if their digest is right."""

    def __init__(self, client: ControlClient, app: str, memory: PackingCache | None) -> None:
        self._client, self._app, self._memory = client, app, memory
        self._can_download = True

    def read(self, file: OldFile) -> bytes | None:
        return self._recall(file) or self._download(file)

    def _recall(self, file: OldFile) -> bytes | None:
        if self._memory is None or not file.packed:
            return None
        with TemporaryDirectory(prefix="edge-patch-") as folder:
            for packing in (SMALLEST, FAST):
                target = Path(folder, packing.brotli_label)
                if self._memory.restore(packing.brotli_label, file.hash, target) is not None:
                    return _unpacked(list(read_chunks(target)), file.hash)
        return None

    def _download(self, file: OldFile) -> bytes | None:
        """None from a node of an earlier release, and for a blob that it has lost or finds too large."""
        if not self._can_download:
            return None
        try:
            stored = self._client.download(app_path(self._app, "bundles", file.version, "blobs", file.blob))
        except RequestRefused as refusal:
            self._can_download = refusal.code != "not_found" and refusal.answered != 405
            return None
        return _unpacked([stored], file.hash) if file.packed else bounded([stored], file.hash)


def _unpacked(packed: Sequence[bytes], digest: Digest) -> bytes | None:
    decoder = brotli.Decompressor()

    def pieces() -> Any:
        for each in packed:
            piece = decoder.process(each, output_buffer_limit=CHUNK_BYTES)
            while piece:
                yield piece
                piece = b"" if decoder.is_finished() else decoder.process(b"", output_buffer_limit=CHUNK_BYTES)

    try:
        return bounded(pieces(), digest)
    except brotli.error:
        return None

"""Real npm packages as web apps: what a browser with the version before downloads, and what bare Zstandard would take.

    python -m tests.walks.patched_packages          (needs npm, a package registry and the zstd command; two minutes)

Both versions of each package are published to a node of their own. A client that holds the old files, as a browser
does, requests every file that changed; what it makes of the answers must be the package's files. Exits 1 if the frames
take more than 1.2 times what `zstd -19 --long --patch-from` makes of the same files. RFC 9842 puts 40 bytes before each
frame, which is half of what a version number in a small file costs.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard

from tests.walks.npm_package import fetch, node

APP = "com.example.walk"
PAIRS = (("tinymce", "7.5.0", "7.5.1"), ("swagger-ui-dist", "5.18.2", "5.18.3"), ("bootstrap", "5.3.2", "5.3.3"))
RATIO_LIMIT = 1.2  # of the bare patches
DCZ_HEADER_BYTES = 40


class Walked(NamedTuple):
    """Bytes of the files that were patched: plain, as the node sends them to who has none, and by patches."""

    package: str
    files: int
    patched: int
    plain: int
    packed: int
    sent: int
    bare: int
    seconds: float

    @property
    def ratio(self) -> float:
        """Of the frames alone."""
        return (self.sent - self.patched * DCZ_HEADER_BYTES) / self.bare


@contextlib.contextmanager
def published(pair: tuple[str, str, str], folder: Path) -> Iterator[tuple[str, Path, Path, dict[str, int], float]]:
    """The devices' address, both versions' files, the packed size of each new one, the seconds of the publish."""
    package, *versions = pair
    olds, news = (fetch(package, version, folder) for version in versions)
    for build in (olds, news):
        if not (build / "index.html").exists():
            (build / "index.html").write_text("<!doctype html>")
    with node(folder / "data") as (address, environment):
        command = [sys.executable, "-m", "edge"]

        def edge(*words: str) -> dict:
            done = subprocess.run([*command, *words, "--json"], env=environment, check=True, capture_output=True)
            return json.loads(done.stdout)

        edge("app", "create", APP)
        edge("channel", "create", APP, "production", "--public")
        publish = ("bundle", "publish", APP)
        edge(*publish, str(olds), "--version", versions[0], "--channel", "production")
        edge(
            *publish, str(news), "--version", "99.0.0", "--no-channel", "--no-patches"
        )  # it is compressed from here on
        begun = time.monotonic()
        edge(*publish, str(news), "--version", versions[1], "--channel", "production")
        seconds = time.monotonic() - begun
        shown = edge("bundle", "show", APP, versions[1])
        sizes = {each["name"].removesuffix(".br"): each["bytes"] for each in shown["entries"]}
        yield address, olds, news, sizes, seconds


def walk(pair: tuple[str, str, str], folder: Path) -> Walked:
    with published(pair, folder) as (address, olds, news, sizes, seconds):
        names = [str(path.relative_to(news)) for path in sorted(news.rglob("*")) if path.is_file()]
        changed = [name for name in names if is_changed(olds / name, news / name)]
        patched = plain = packed = sent = bare = 0
        for name in changed:
            old, new = (olds / name).read_bytes(), (news / name).read_bytes()
            coding, body = download(address, name, old, new)
            if coding == "dcz":
                assert applied(body, old) == new, name
                patched, plain, packed = patched + 1, plain + len(new), packed + sizes[name]
                sent, bare = sent + len(body), bare + bare_patch(olds / name, news / name, folder)
            else:
                assert body == new, name
        return Walked(f"{pair[0]} {pair[1]} to {pair[2]}", len(changed), patched, plain, packed, sent, bare, seconds)


def is_changed(old: Path, new: Path) -> bool:
    return old.is_file() and old.read_bytes() != new.read_bytes()


def download(address: str, name: str, old: bytes, new: bytes) -> tuple[str | None, bytes]:
    """The answer's coding and its body as it was sent."""
    of = hashlib.sha256(name.encode()).hexdigest()[:16]
    held = base64.b64encode(hashlib.sha256(old).digest()).decode()
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    headers = {"Accept-Encoding": "br, zstd, dcz", "Available-Dictionary": f":{held}:"}
    connection.request("GET", f"/bundles/{APP}/file/{hashlib.sha256(new).hexdigest()}?of={of}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, (name, answer.status)
    return answer.headers["Content-Encoding"], body


def applied(stream: bytes, old: bytes) -> bytes:
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(stream[DCZ_HEADER_BYTES:])


def bare_patch(old: Path, new: Path, folder: Path) -> int:
    target = folder / "bare.zst"
    command = ["zstd", "-q", "-f", "-19", "--long=27", "--no-check", f"--patch-from={old}", str(new), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target.stat().st_size


def main() -> int:
    missing = [each for each in ("npm", "zstd") if shutil.which(each) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 2
    worst = 0.0
    for pair in PAIRS:
        with tempfile.TemporaryDirectory(prefix="edge-walk-") as folder:
            found = walk(pair, Path(folder))
        worst = max(worst, found.ratio)
        print(
            f"{found.package}: {found.patched} of {found.files} changed files are patched: {found.plain:,} bytes, "
            f"{found.packed:,} with brotli, {found.sent:,} as patches, {found.bare:,} bare: "
            f"{found.sent / found.bare:.2f}, and {found.ratio:.2f} without the headers of 40 bytes; "
            f"the publish took {found.seconds:.1f} s"
        )
    return 1 if worst > RATIO_LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())

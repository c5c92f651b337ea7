"""How revisions grow with the bundles of an app: bytes and CPU time of one change, plain and compressed.

`python -m tests.drills.revision_growth --bundles 1000`
"""

import argparse
import hashlib
import sys
import time

import zstandard

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import Change, ChannelSettings, CreateApp, CreateChannel, PublishBundle
from edge.domain.file_names import NameFacts
from edge.domain.model import AppId, AppState, Bundle, Digest, VersionName
from edge.store.revision_document import encode_revision, parse_revision

APP = AppId("com.example.app")
NOW = 1_700_000_000.0
ROUNDS = 20
BYTES_LIMIT = 1_000  # of a bundle in a revision; a revision of 4 MiB holds 4,000 of them
LEVEL = 3  # zstd's default


def digest(text: str) -> Digest:
    return Digest(hashlib.sha256(text.encode()).hexdigest())


def bundle(number: int) -> Bundle:
    version = VersionName(f"1.0.{number}")
    names = NameFacts(longest_bytes=40, longest_listed_bytes=43, same=False, same_and_equal=False)
    return Bundle(
        version=version,
        content=digest(f"content {version}"),
        zip=digest(f"zip {version}"),
        zip_bytes=3_000_000 + number,
        zip_crc32=digest(f"crc {version}")[:8],
        manifest=digest(f"manifest {version}"),
        files=300,
        plain_bytes=12_000_000 + number,
        names=names,
        plain_files=True,
        published=NOW + number,
    )


def state_of(bundles: int) -> tuple[AppState, Change]:
    commands = [CreateApp(app=APP), CreateChannel(name="production", settings=ChannelSettings(public=True))]
    commands += [PublishBundle(bundle=bundle(n), channel="production") for n in range(1, bundles + 1)]
    state = None
    for at, command in enumerate(commands):
        change = Change(id=f"change-{at}", at=NOW + at, by="ci", command=command)
        state = apply(state, change)
    return state, change


def cpu_ms(call) -> float:
    begun = time.process_time()
    for _ in range(ROUNDS):
        call()
    return (time.process_time() - begun) / ROUNDS * 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundles", type=int, default=1_000)
    bundles = parser.parse_args().bundles
    state, change = state_of(bundles)
    content = encode_revision(state, change, digest("before"), {})
    packed = zstandard.ZstdCompressor(LEVEL).compress(content)
    each = len(content) / bundles
    print(f"a revision of {bundles} bundles: {len(content):,} bytes, {each:.0f} a bundle")
    print(f"compressed (zstd {LEVEL}): {len(packed):,} bytes, {len(content) / len(packed):.1f} times smaller")
    print(f"encode: {cpu_ms(lambda: encode_revision(state, change, digest('before'), {})):.2f} ms of CPU")
    print(f"hash: {cpu_ms(lambda: hashlib.sha256(content).digest()):.2f} ms")
    print(f"parse: {cpu_ms(lambda: parse_revision(content, APP, state.revision, lambda _: b'')):.2f} ms")
    print(f"compress: {cpu_ms(lambda: zstandard.ZstdCompressor(LEVEL).compress(content)):.2f} ms")
    print(f"decompress: {cpu_ms(lambda: zstandard.ZstdDecompressor().decompress(packed)):.2f} ms")
    print(f"the first {bundles} changes together: {each * bundles * bundles / 2 / 1e6:,.0f} MB of revisions")
    return 0 if each <= BYTES_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())

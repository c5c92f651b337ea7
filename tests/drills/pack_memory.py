"""How much memory a 500 MB bundle costs each process of a publish: `python -m tests.drills.pack_memory`.

Packs and verifies, plain and then encrypted, each in a process of its own, one huge file and then a folder of many;
prints every process's peak over its idle size as the kernel counts it (VmHWM), seconds and CPU seconds. Exit code 1
above the promise. Linux.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge.bundles.encryption.encrypt import Encrypted, encrypt
from edge.bundles.encryption.rsa_keys import PUBLIC_KEY_FILE, create_key_files, load_private_key, parse_public_key
from edge.bundles.packing.pack import Packed, pack
from edge.bundles.verification.decryption import BundleDecryption
from edge.bundles.verification.verify import verify_bundle
from edge.domain.encryption import build_encryption
from edge.domain.model import Digest
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

PROMISE_MB = 50
POLL_SECONDS = 0.02
MB = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where to work; needs about ten times the bundle's size")
    parser.add_argument("--step", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        return _step(options.step[0], Path(options.step[1]))
    idle_mb = _idle_worker_mb()
    print(f"idle worker: {idle_mb:.1f} MB")
    worst = 0.0
    for shape in (_one_file, _many_files):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            shape(Path(folder) / "app", options.megabytes * MB)
            print(f"{shape.__name__[1:].replace('_', ' ')}, {options.megabytes} MB")
            worst = max(worst, *(_watch(step, folder, idle_mb) for step in _STEPS))
    print(f"highest rise: {worst:.1f} MB, promised {PROMISE_MB} MB")
    return worst > PROMISE_MB


def _step(name: str, folder: Path) -> int:
    """What the watched process does: its own figures go to standard output."""
    before_mb, begun = _memory_mb("self", "VmRSS"), time.monotonic()
    line = _STEPS[name](folder)
    rise = _memory_mb("self", "VmHWM") - before_mb
    times = os.times()
    cpu_seconds = times.user + times.system + times.children_user + times.children_system
    print(f"{rise:.1f} {time.monotonic() - begun:.1f} {cpu_seconds:.1f} {line}")
    return 0


def _pack(folder: Path) -> str:
    (folder / "work").mkdir()
    packed = pack(folder / "app", folder / "work")
    return _keep(packed, folder, packed)


def _encrypt(folder: Path) -> str:
    """Packs first, as publishing does: what counts is the peak of both."""
    (folder / "keys").mkdir()
    (folder / "work2").mkdir()
    key = load_private_key(create_key_files(folder / "keys").private)
    packed = pack(folder / "app", folder / "work2", to_encrypt=True)
    made = encrypt(packed, key, folder / "work2")
    (folder / "encryption").write_text(f"{made.encryption.session_key} {made.encryption.checksum}")
    return _keep(made, folder, packed)


def _keep(made: Packed | Encrypted, folder: Path, packed: Packed) -> str:
    store = FsStore(folder / "store")
    for digest, path in ((made.zip.digest, made.zip.path), *((b.digest, b.path) for b in made.blobs.values())):
        scratch = store.scratch()
        shutil.copyfile(path, scratch)
        store.adopt(blob_key(digest), scratch)
    store.create(blob_key(made.manifest_digest), made.manifest)
    (folder / "digests").write_text(f"{made.zip.digest} {made.manifest_digest}")
    blobs_mb = sum(blob.bytes for blob in made.blobs.values()) / MB
    return f"{len(packed.entries)} files, zip {made.zip.bytes / MB:.1f} MB, blobs {blobs_mb:.1f} MB"


def _verify(folder: Path) -> str:
    archive, manifest = (folder / "digests").read_text().split()
    store = FsStore(folder / "store")
    verified = verify_bundle(store, zip=Digest(archive), manifest=Digest(manifest), decryption=_decryption(folder))
    return f"{verified.files} files, {verified.plain_bytes / MB:.1f} MB plain"


def _decryption(folder: Path) -> BundleDecryption | None:
    if not (folder / "encryption").exists():
        return None
    session_key, checksum = (folder / "encryption").read_text().split()
    key = parse_public_key((folder / "keys" / PUBLIC_KEY_FILE).read_text())
    return BundleDecryption(key, build_encryption(session_key, checksum, ""))


def _watch(name: str, folder: str, idle_mb: float) -> float:
    """Run a step and follow its children; returns the highest rise of all."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.drills.pack_memory", "--step", name, folder], stdout=subprocess.PIPE, text=True
    )
    peaks: dict[str, float] = {}
    while process.poll() is None:
        for child in _children(process.pid):
            peaks[child] = max(peaks.get(child, 0), _memory_mb(child, "VmHWM"))
        time.sleep(POLL_SECONDS)
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    own, seconds, cpu_seconds, line = output.strip().split(" ", 3)
    rises = [peak - idle_mb for peak in peaks.values()]
    workers = ", ".join(f"+{rise:.1f}" for rise in rises if rise > 0) or "none"
    print(f"  {name}: itself +{own} MB, workers {workers} MB; {seconds} s, {cpu_seconds} s CPU; {line}")
    return max(float(own), *rises, 0.0)


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def _memory_mb(pid: str, field: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0  # it has just ended
    return sum(int(line.split()[1]) * 1024 / MB for line in lines if line.startswith(f"{field}:"))


def _idle_worker_mb() -> float:
    code = "import edge.bundles.packing.workers; print(open('/proc/self/status').read())"
    status = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / MB


def _text(rnd: random.Random) -> bytes:
    """About 1 MB that packs some ten to one, as minified code with long repetitions does."""
    return b"".join(rnd.choices(_LINES, k=25_000))


_LINES = [b"%032x = f(%d);\n" % (random.Random(n).getrandbits(128), n) for n in range(8192)]


def _one_file(root: Path, size: int) -> None:
    root.mkdir()
    (root / "index.html").write_bytes(b"<!doctype html>")
    rnd = random.Random(1)
    with (root / "everything.js").open("wb") as file:
        while file.tell() < size:
            file.write(_text(rnd))


def _many_files(root: Path, size: int) -> None:
    """Of every 20 MB: a script of 2 MB (quality 11), one of 5 MB (quality 9), the rest pictures of no known suffix."""
    root.mkdir()
    (root / "index.html").write_bytes(b"<!doctype html>")
    rnd = random.Random(2)
    for number in range(max(1, size // (20 * MB))):
        (root / f"page{number}.js").write_bytes((_text(rnd) + _text(rnd))[: 2 * MB])
        (root / f"library{number}.js").write_bytes(b"".join(_text(rnd) for _ in range(5)))
        for picture in range(13):
            (root / f"picture{number}-{picture}.raw").write_bytes(rnd.randbytes(MB))


_STEPS = {"pack": _pack, "verify": _verify, "encrypt": _encrypt, "prove": _verify}


if __name__ == "__main__":
    sys.exit(main())

"""What the directory promises beyond the contract: modes, leftovers, reserved names, and the order of its syncs."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from edge.store.objects.fs import LEFTOVER_SECONDS, FsStore

STRACE = shutil.which("strace")
CALLS = "fsync,fdatasync,link,linkat,rename,renameat,renameat2,mkdir,mkdirat"


@pytest.fixture
def store(tmp_path):
    return FsStore(tmp_path / "store")


def test_nobody_else_may_look(store):
    store.create("heads/a.json", b"{}")
    modes = {path.relative_to(store.root).as_posix(): path.stat().st_mode & 0o777 for path in store.root.rglob("*")}
    assert modes == {"tmp": 0o700, "locks": 0o700, "heads": 0o700, "heads/a.json": 0o600}
    assert store.root.stat().st_mode & 0o777 == 0o700


def test_a_finished_write_leaves_nothing_behind(store):
    tag = store.create("heads/a.json", b"one")
    store.swap("heads/a.json", b"two", tag)
    for failing in (lambda: store.create("heads/a.json", b"x"), lambda: store.swap("heads/a.json", b"x", tag)):
        with pytest.raises(Exception, match="heads/a"):
            failing()
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("key", ["tmp/a", "locks/a", "tmp"])
def test_its_own_folders_are_no_keys(store, key):
    with pytest.raises(ValueError):
        store.create(key, b"")


def test_leftovers_of_a_killed_process_go_after_a_day_and_a_living_transfer_stays(store):
    old, young = store.scratch(), store.scratch()
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    now = young.stat().st_mtime
    os.utime(old, (now - LEFTOVER_SECONDS - 1,) * 2)
    assert store.remove_leftovers(now) == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_a_failed_write_leaves_no_file_and_no_scratch(store):
    (store.root / "heads").write_bytes(b"in the way")
    with pytest.raises(OSError):
        store.create("heads/a.json", b"one")
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: the order of syncs cannot be watched")
def test_bytes_are_synced_before_their_name_and_names_before_the_call_returns(tmp_path):
    calls = traced_calls(tmp_path, WRITES)
    names = [(n, call) for n, call in enumerate(calls) if call[0] in {"link", "rename"}]
    assert [call[0] for _, call in names] == ["link", "rename", "link", "rename"]
    for n, (_, source, target) in names:
        assert ("fsync", source) in calls[:n], f"{target} was named before its bytes were on the disk"
        following = next(later for later in calls[n + 1 :] if later[0] != "mkdir")
        assert following == ("fsync", os.path.dirname(target)), f"the name of {target} was not synced"


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: the order of syncs cannot be watched")
def test_new_directories_are_synced_into_their_parents(tmp_path):
    calls = traced_calls(tmp_path, WRITES)
    made = [(n, call[1]) for n, call in enumerate(calls) if call[0] == "mkdir"]
    assert {os.path.basename(path) for _, path in made} >= {"store", "tmp", "locks", "heads", "blobs", "sha256", "ab"}
    for n, path in made:
        assert calls[n + 1] == ("fsync", os.path.dirname(path)), f"{path} was not synced"


WRITES = """
import pathlib, sys
from edge.store.objects.fs import FsStore
store = FsStore(pathlib.Path(sys.argv[1]))
tag = store.create("heads/a.json", b"one")
store.swap("heads/a.json", b"two", tag)
upload = store.scratch()
upload.write_bytes(b"large")
store.adopt("blobs/sha256/ab/abc", upload)
again = store.scratch()
again.write_bytes(b"large, again")
store.replace("blobs/sha256/ab/abc", again)
"""


def traced_calls(tmp_path, script):
    """The file calls of a script in their order, as ("fsync", path), ("link", source, target), ("mkdir", path)."""
    log = tmp_path / "trace"
    command = [STRACE, "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(log)]
    run = subprocess.run([*command, sys.executable, "-B", "-c", script, str(tmp_path / "store")], capture_output=True)
    if b"ptrace" in run.stderr.lower():
        pytest.skip("tracing is not permitted here: the order of syncs cannot be watched")
    assert run.returncode == 0, run.stderr.decode()
    return [call for line in log.read_text().splitlines() if (call := parse_call(line))]


def parse_call(line):
    if found := re.search(r"\bf(?:data)?sync\(\d+<(.*?)>\)\s*= 0", line):
        return ("fsync", found[1])
    if found := re.search(r"\b(link|rename|mkdir)(?:at2?)?\(.*\) = 0", line):
        return (found[1], *re.findall(r'"(.*?)"', line))
    return None

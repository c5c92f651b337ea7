"""Bundle bytes are read once, to prove them, and never copied to a device: proven by counting system calls."""

import hashlib
import http.client
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import proving
import pytest

import edge
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

SERVER = Path(__file__).with_name("serve_bundles.py")
CONTENT = random.Random(3).randbytes(6_000_007)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ADDRESS = f"/bundles/com.example.app/zip/{DIGEST}"
READS = "read,pread64,readv,preadv,preadv2,mmap"
WRITES = "write,writev,sendto,sendmsg,sendmmsg,pwrite64,splice,copy_file_range"
HEADERS_BYTES_LIMIT = 8_192  # for all answers together; what else goes to a socket is copied file bytes


def why_not():
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


def traced(how, store, trace):
    """Ask a traced server for the file whole and in part; returns the lines of the trace."""
    command = ["strace", "-f", "-y", "-qq", "-e", f"trace=sendfile,{READS},{WRITES}", "-o", trace]
    places = (Path(edge.__file__).parents[1], Path(proving.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    with subprocess.Popen(
        [*command, sys.executable, SERVER, how, store.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.stdout.readline()), timeout=120)
        for headers, expected in (({}, CONTENT), ({"Range": "bytes=1000000-"}, CONTENT[1_000_000:])):
            connection.request("GET", ADDRESS, headers=headers)
            same = connection.getresponse().read() == expected
            assert same  # pytest explains two different megabytes for minutes
        connection.close()
        server.stdin.close()
        assert server.wait(30) == 0
    return Path(trace).read_text().splitlines()


def results(lines, pattern):
    """The return values of the system calls, including those that strace splits over two lines."""
    return [int(found[1]) for line in lines if re.search(pattern, line) and (found := re.search(r"= (\d+)$", line))]


def copied(lines, path):
    """Bytes that went to a socket by writing, and the calls that read or mapped the file."""
    written = sum(results(lines, rf"({WRITES.replace(',', '|')})\(\d+<(socket|TCP)"))
    return written, [
        line for line in lines if re.search(rf"({READS.replace(',', '|')})\(.*<{re.escape(str(path))}>", line)
    ]


@pytest.fixture
def store(tmp_path):
    made = FsStore(tmp_path / "store")
    keep_bytes(made, CONTENT)
    return made


@pytest.mark.parametrize("door", ["ours", "lane"])
def test_a_bundle_is_sent_by_sendfile_alone(store, tmp_path, door):
    lines = traced(door, store, tmp_path / "trace")
    written, reads = copied(lines, store.path(blob_key(DIGEST)))
    assert sum(results(lines, "sendfile")) == 2 * len(CONTENT) - 1_000_000
    assert sum(results(reads, "preadv")) == len(CONTENT) and results(reads, r"(read|readv|mmap|pread64)\(") == []
    assert 0 < written < HEADERS_BYTES_LIMIT


def test_copying_would_be_seen(store, tmp_path):
    lines = traced("stock", store, tmp_path / "trace")
    written, reads = copied(lines, store.path(blob_key(DIGEST)))
    assert sum(results(lines, "sendfile")) == 0
    assert reads
    assert written > len(CONTENT)

"""A real S3 server on this machine: Ceph's, with one monitor and one store in memory, all gone at the end.

Every process runs in the foreground, in a process group of its own, which is killed when the block ends, and by the
kernel when this process dies. Debian's packages: ceph-mon, ceph-osd, radosgw, ceph-common.
"""

import ctypes
import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from s3_servers import wait_for_port

from benchmarks.ports import free_port

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "ceph")
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
COMMAND_SECONDS = 300

CONFIG = """
[global]
fsid = 5e3f0f0c-7c5a-4a5e-9d53-0e7d0e5a1f00
mon_host = 127.0.0.1:{mon}
public_network = 127.0.0.0/8
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = {top}
admin_socket = {top}/$name.asok
log_file = {top}/$name.log
pid_file =
ms_bind_msgr2 = false
mon_data = {top}/mon
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 2000
osd_data = {top}/osd
osd_objectstore = memstore
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
memstore_device_bytes = 1073741824
mon_osd_initial_require_min_compat_client = luminous
rgw_frontends = beast endpoint=127.0.0.1:{rgw}
rgw_zone = default
"""


def missing():
    """The programs that are not installed."""
    return [each for each in PROGRAMS if shutil.which(each) is None]


@contextmanager
def radosgw(top: Path, access: str, secret: str, bucket: str):
    """Its address, with a user and a bucket. Skips the test where it is not installed."""
    if lacking := missing():
        pytest.skip(f"not installed: {', '.join(lacking)}")
    mon, rgw = free_port(), free_port()
    conf = top / "ceph.conf"
    conf.write_text(CONFIG.format(top=top, mon=mon, rgw=rgw))
    for folder in ("mon", "osd"):
        (top / folder).mkdir()

    def run(*command):
        return subprocess.run(command, check=True, timeout=COMMAND_SECONDS, capture_output=True, text=True).stdout

    with ExitStack() as stack:

        def start(*command):
            stack.enter_context(_running([*command, "-c", str(conf), "-f"], top / f"{command[0]}.out"))

        run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{mon}]", "--fsid", FSID, str(top / "monmap"))
        run("ceph-mon", "-c", str(conf), "--mkfs", "-i", "a", "--monmap", str(top / "monmap"))
        start("ceph-mon", "-i", "a")
        wait_for_port(mon)
        ceph = ("ceph", "-c", str(conf), "--connect-timeout", "60")
        run(*ceph, "osd", "new", OSD)
        run("ceph-osd", "-c", str(conf), "-i", "0", "--mkfs", "--osd-uuid", OSD)
        start("ceph-osd", "-i", "0")
        made = ("radosgw-admin", "-c", str(conf), "user", "create", "--uid", "edge", "--display-name", "edge")
        run(*made, "--access-key", access, "--secret-key", secret)
        start("radosgw", "-n", "client.rgw")
        wait_for_port(rgw)
        address = f"http://127.0.0.1:{rgw}"
        _make_bucket(address, access, secret, bucket)
        yield address


FSID = "5e3f0f0c-7c5a-4a5e-9d53-0e7d0e5a1f00"
OSD = "5e3f0f0c-7c5a-4a5e-9d53-0e7d0e5a1f01"


@contextmanager
def _running(command, output: Path):
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _die_with_parent():
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _make_bucket(address, access, secret, bucket):
    import boto3  # comes with moto

    keys = {"aws_access_key_id": access, "aws_secret_access_key": secret, "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket=bucket)

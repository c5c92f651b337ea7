"""The Dockerfile's steps, followed in roots made by debootstrap: what comes out serves as its user, on a read-only file
system, and is small. No engine ran it: what an engine adds (layers, the network, the volume's mount) is not tried here.
"""

import json
import os
import shutil
import signal
import subprocess
import urllib.request

import pytest
from dockerfile_steps import Stages, described, size_bytes, steps_of
from places import ROOT

SIZE_LIMIT_BYTES = 150_000_000  # of files, not compressed
STEPS = steps_of((ROOT / "Dockerfile").read_text())
TOOLS = ("debootstrap", "unshare", "prlimit")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="needs root, debootstrap and a mirror of Debian"
)


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is():
    last = max(n for n, step in enumerate(STEPS) if step.word == "FROM")
    final = {step.word for step in STEPS[last:]}
    assert STEPS[last].rest == "scratch" and "RUN" not in final, "nothing to run is left in it"
    assert described(STEPS, "USER") == "10001:10001"
    assert json.loads(described(STEPS, "ENTRYPOINT")) + json.loads(described(STEPS, "CMD"))[-1:] == [
        "/opt/edge/.venv/bin/edge",
        "serve",
    ]
    assert "/livez" in described(STEPS, "HEALTHCHECK") and described(STEPS, "STOPSIGNAL") == "SIGTERM"
    assert described(STEPS, "VOLUME") == "/var/lib/edge"


def test_the_context_has_what_the_image_copies_and_little_else():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source
        for step in STEPS
        if step.word == "COPY" and "--from" not in step.rest
        for source in step.rest.split()[:-1]
    }
    assert copied == let_in and "*" in ignored


@needs_root
@pytest.mark.long
def test_the_steps_make_a_small_node_that_serves_read_only_as_its_user(tmp_path):
    stages = Stages(tmp_path, ROOT)
    stages.follow(STEPS)
    size = size_bytes(stages.root)
    print(f"the image has {size / 1e6:.0f} MB")
    assert size < SIZE_LIMIT_BYTES
    assert not (stages.root / "bin" / "sh").exists() and not list(stages.root.rglob("bin/pip*"))
    edge = "/opt/edge/.venv/bin/edge"
    shown = {each["option"]: each["value"] for each in json.loads(stages.execute(edge, "config", "show", "--json"))}
    assert (shown["data_dir"], shown["control.host"]) == ("/var/lib/edge", "0.0.0.0")
    # All that any process of a node loads is still there.
    loads = "import datasketches, edge.assembly.counting.process, edge.node.processes.worker, edge.cli.main, rich.live"
    stages.execute(
        "/opt/edge/.venv/bin/python", "-c", f"import obstore, nats, rich.progress, {loads.removeprefix('import ')}"
    )
    check_it_serves(stages, edge)


def check_it_serves(stages, edge):
    """On ports of its own: an engine would give it a network."""
    stages.environ |= {"EDGE_DEVICES_PORT": "0", "EDGE_CONTROL_PORT": "0", "EDGE_CONTROL_HOST": "127.0.0.1"}
    process = subprocess.Popen(
        stages.command(edge, "serve"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        ports = next(found for line in process.stdout if (found := serving(line)))
        with urllib.request.urlopen(f"http://127.0.0.1:{ports}/livez", timeout=120) as answer:
            assert answer.status == 200
        owner = (stages.root / "var" / "lib" / "edge" / "node").stat()
        assert (owner.st_uid, owner.st_mode & 0o777) == (10001, 0o700)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 0


def serving(line):
    """The device port that the node's greeting names; 0 for lines of its log."""
    return json.loads(line).get("devices", 0) if line.startswith("{") else 0

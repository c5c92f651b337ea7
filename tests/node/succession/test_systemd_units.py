"""The units in config/systemd: systemd's own checks where it is installed, and what they share with the node."""

import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from edge.assembly.control_port import CONTROL_DRAIN_SECONDS
from edge.assembly.standalone import LEAVE_SECONDS
from edge.config import Config
from edge.node.processes.listening import LISTEN_BACKLOG

UNITS = Path(__file__).parents[3] / "config" / "systemd"
EXPOSURE_LIMIT = 20  # of 100, in `systemd-analyze security`; a plain service has 96
ANALYZE = shutil.which("systemd-analyze")


class Unit(RawConfigParser):
    """A unit whose repeated options keep each value."""

    def __init__(self, name):
        super().__init__(strict=False, interpolation=None, delimiters=("=",))
        self.optionxform = str
        self.lines = [line.partition("=")[::2] for line in (UNITS / name).read_text().splitlines() if "=" in line]
        self.read(UNITS / name)

    def all(self, option):
        return [value for name, value in self.lines if name == option]


def test_the_socket_unit_has_the_ports_of_the_default_configuration():
    unit, config = Unit("edge.socket"), Config()
    listens = [str(config.devices.port), f"{config.control.host}:{config.control.port}"]
    assert unit.all("ListenStream") == listens
    assert (unit["Socket"]["Backlog"], unit["Socket"]["BindIPv6Only"]) == (str(LISTEN_BACKLOG), "both")


NODES = [("edge", "edge.toml"), ("edge-region", "region.toml")]


@pytest.mark.parametrize(("name", "file"), NODES)
def test_the_service_waits_for_a_node_to_finish(name, file):
    service, config = Unit(f"{name}.service")["Service"], Config()
    needed_seconds = CONTROL_DRAIN_SECONDS + config.devices.drain_seconds + LEAVE_SECONDS
    assert float(service["TimeoutStopSec"]) >= needed_seconds
    assert (service["Type"], service["NotifyAccess"], service["KillMode"]) == ("notify", "all", "mixed")
    for option, verb in (("ExecStart", "serve"), ("ExecReload", "restart")):
        assert service[option].split()[1:] == [verb, "--config", f"/etc/edge/{file}"]
    assert (service["ProtectSystem"], service["StateDirectory"]) == ("strict", name)


def test_a_region_beside_another_node_shares_nothing_with_it_but_the_program():
    own, other = Unit("edge-region.service"), Unit("edge.service")
    differs = {name for name, value in other["Service"].items() if own["Service"][name] != value}
    assert differs == {"ExecStart", "ExecReload", "StateDirectory"}
    assert not {*Unit("edge-region.socket").all("ListenStream")} & {*Unit("edge.socket").all("ListenStream")}


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
@pytest.mark.parametrize("node", [name for name, _ in NODES])
def test_systemd_finds_no_fault(tmp_path, node):
    for name in (f"{node}.socket", f"{node}.service"):
        # The program is where an installation puts it, which is not here.
        (tmp_path / name).write_text((UNITS / name).read_text().replace("/opt/edge/.venv/bin/edge", "/bin/true"))
    units = [str(tmp_path / name) for name in (f"{node}.socket", f"{node}.service")]
    verified = subprocess.run([ANALYZE, "verify", *units], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    options = ["security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", units[1]]
    judged = subprocess.run([ANALYZE, *options], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout

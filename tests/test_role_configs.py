"""The configurations for each role in config/: the node reads them as they are, and each option is explained."""

import pytest
from places import ROOT

from edge.config import Config, load_settings

CONFIG = ROOT / "config"
ROLES = ("standalone", "origin", "region")


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_file_is_read_without_a_fault_and_is_of_that_role(role):
    config, settings = load_settings(CONFIG / f"{role}.toml", {})
    assert config.role == role and config.data_dir == "/var/lib/edge"
    default = {each.option: each.value for each in load_settings(None, {})[1]}
    given = {each.option: each.value for each in settings if each.origin != "default"}
    same = {option for option, value in given.items() if value == default[option]}
    assert same <= {"role", "upstream.root", "upstream.max_stale_seconds"}, (
        "what equals its default is only said where it matters"
    )


@pytest.mark.parametrize("role", ROLES)
def test_every_option_of_a_roles_file_is_explained(role):
    before = ""
    for line in (CONFIG / f"{role}.toml").read_text().splitlines():
        if " = " in line and not line.startswith("#"):
            assert before.startswith("#") or line.startswith(("tls_key", "role")), f"{line} is not explained"
        before = line


def test_a_region_names_whom_it_follows_and_an_origin_lets_regions_in():
    region, origin = (load_settings(CONFIG / f"{role}.toml", {})[0] for role in ("region", "origin"))
    assert region.upstream.source == f"https://{origin.control.allowed_hosts[0]}:{origin.control.port}"
    assert origin.control.host == "0.0.0.0" and origin.control.tls_certificate and not origin.control.insecure
    assert region.control == Config().control, "a region's own control port stays on loopback"

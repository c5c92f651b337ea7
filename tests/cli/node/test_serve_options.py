"""Options of `edge serve` come before the environment and the file."""

import os

from edge.cli.node.serve import given_by_options
from edge.config import read_settings


def test_an_option_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("EDGE_TELEMETRY_KEEP_DAYS", "3")
    config, _, faults = read_settings(None, given_by_options(insecure=True, keep=30))
    assert (config.telemetry.keep_days, config.control.insecure, faults) == (30, True, [])


def test_no_option_leaves_the_environment_as_it_is():
    assert given_by_options(insecure=False, keep=None) == dict(os.environ)

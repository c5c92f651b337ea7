"""Where this machine's node is, from its configuration."""

import pytest

from edge.cli.terminal.access import device_address


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"EDGE_DEVICES_PORT": "9080"}, "http://127.0.0.1:9080"),
        ({"EDGE_DEVICES_HOST": "0.0.0.0"}, "http://127.0.0.1:8080"),
        ({"EDGE_DEVICES_HOST": "::1"}, "http://[::1]:8080"),
        ({"EDGE_DEVICES_HOST": "192.0.2.7"}, "http://192.0.2.7:8080"),
        ({"EDGE_DEVICES_TLS_CERTIFICATE": "c.pem", "EDGE_DEVICES_TLS_KEY": "k.pem"}, "https://127.0.0.1:8080"),
    ],
)
def test_the_device_port_is_the_configurations(monkeypatch, environment, address):
    monkeypatch.delenv("EDGE_CONFIG", raising=False)
    for name in ("EDGE_DEVICES_PORT", "EDGE_DEVICES_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert device_address() == address

"""`edge serve` with a certificate of its own: SIGHUP takes the next one, SIGTERM still ends it cleanly."""

import json
import shutil
import socket
import ssl
import time

import pytest
from certificates import Files, a_certificate
from running_node import Node, serving_node

PROMPT_SECONDS = 60.0


def shown(port, files: Files) -> bool:
    """Whether a new connection is shown this certificate."""
    context = ssl.create_default_context(cafile=files.certificate)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), PROMPT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


@pytest.mark.long
def test_sighup_takes_the_new_certificate(tmp_path):
    first, second = a_certificate(tmp_path, "first"), a_certificate(tmp_path, "second")
    used = Files(str(tmp_path / "used.pem"), str(tmp_path / "used.key"))
    for source, target in zip(first, used, strict=True):
        shutil.copyfile(source, target)
    settings = {"EDGE_DEVICES_TLS_CERTIFICATE": used.certificate, "EDGE_DEVICES_TLS_KEY": used.key}
    with serving_node(tmp_path, **settings) as node:
        port = int(node.devices.rsplit(":", 1)[1])
        assert shown(port, first)
        for source, target in zip(second, used, strict=True):
            shutil.copyfile(source, target)
        node.hang_up()
        until = time.monotonic() + PROMPT_SECONDS
        while not shown(port, second):  # each try is a handshake, which takes its own time
            assert time.monotonic() < until
        assert node.json("app", "list") == json.loads("[]")


@pytest.mark.parametrize("section", ["DEVICES", "CONTROL"])
def test_config_check_reads_the_certificate(tmp_path, section):
    good, other = a_certificate(tmp_path, "good"), a_certificate(tmp_path, "other")
    node = Node(tmp_path, {"devices": 1, "control": 2})
    names = (f"EDGE_{section}_TLS_CERTIFICATE", f"EDGE_{section}_TLS_KEY")
    assert node.json("config", "check", env=dict(zip(names, good, strict=True)))["valid"] is True
    wrong = dict(zip(names, (good.certificate, other.key), strict=True))
    assert "do not match" in node.failure("config", "check", env=wrong)

"""Ports behind TLS: the certificate is verified before anything is sent, and a fault is named."""

import datetime
import ipaddress
import ssl

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from scripted_server import scripted_server

from edge.cli.main import cli
from edge.cli.terminal.client import ControlClient, Unreachable


def self_signed(folder):
    """Certificate and key files for 127.0.0.1, valid around now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "control")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    certificate = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False).sign(
        key, hashes.SHA256()
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def certificate(tmp_path):
    return self_signed(tmp_path)


@pytest.fixture
def server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with scripted_server(context) as running:
        yield running


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once_and_nothing_is_sent(server):
    client = ControlClient(server.url, "edge_x")
    with pytest.raises(Unreachable, match=f"no answer from {server.url}: .*certificate verify failed"):
        client.get("/v1/apps")
    client.close()
    assert server.seen == [] and server.connections <= 1


def test_a_simulated_device_says_why_it_got_no_answer(server, tmp_path):
    where = ("--url", server.url, "--app", "com.acme.app", "--state", tmp_path, "--plugin", "8.51.14")
    done = CliRunner().invoke(cli, ["device", "update", *map(str, where), "--platform", "android"])
    assert done.exit_code == 1
    assert "network_error" in done.stdout
    assert "no answer, or not all of it: " in done.stdout and "certificate verify failed" in done.stdout
    assert server.seen == []


def test_a_certificate_that_the_user_trusts_is_taken(server, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    client = ControlClient(server.url, "edge_x")
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 1_000_000)
    client.upload("/v1/blob", file, lambda _: None)
    client.close()
    assert (server.seen[0]["bytes"], server.seen[0]["authorization"]) == (1_000_000, "Bearer edge_x")

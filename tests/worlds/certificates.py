"""Certificates made on the spot, each signed by its own key: who trusts the file trusts that one alone."""

import datetime
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PEM = serialization.Encoding.PEM
DAY = datetime.timedelta(days=1)


class Files(NamedTuple):
    certificate: str
    key: str


def a_certificate(folder, name="pair", *, password: bytes | None = None, ends=DAY) -> Files:
    """For 127.0.0.1 and localhost, from yesterday until `ends` from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - 2 * DAY).not_valid_after(now + ends)
    built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    files = Files(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    for path, content in zip(
        files,
        (
            built.sign(key, SHA256()).public_bytes(PEM),
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, hidden),
        ),
        strict=True,
    ):
        with open(path, "wb") as file:
            file.write(content)
    return files

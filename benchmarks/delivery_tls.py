"""What bundle bytes cost over TLS: ours and nginx, 16 kept connections, whole files.

Encrypting copies, so nothing is zero-copy here. wrk decrypts on another core, which is most of its work: the CPU of the
servers counts, and throughput as the table states. Both use OpenSSL's preferences; kept connections leave handshakes
out.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.contenders.servers import NGINX, OURS, Files, Server, nginx, node
from benchmarks.delivery_rows import COLUMNS, DeliverySample, delivery_row
from benchmarks.load.drain import Drained
from benchmarks.load.wrk import Load, run_wrk
from benchmarks.measuring.accounting import cpu_seconds
from benchmarks.measuring.sampling import in_turns
from benchmarks.output.report import Options
from benchmarks.output.tables import Table
from benchmarks.programs import cores
from benchmarks.worlds.answers import HttpAnswer, fetch, to_say
from benchmarks.worlds.releases import APP, get_request

HOST = "updates.example.com"
CLIENTS = 16
LIFETIME = timedelta(days=1)


def measure_tls(folder: Path, zips: Mapping[str, str], tree: Path, options: Options) -> Iterator[Table]:
    """A table for each zip. `tree` has the same files under the same addresses. No other node may use the data."""
    on, generators = cores(options.pin)
    files = make_certificate(folder)
    with node(folder / "data", on, tls=files) as ours:
        for name, digest in zips.items():
            request = get_request(f"/bundles/{APP}/zip/{digest}", HOST)
            answer = fetch(ours.server.port, request, tls=True)
            with _nginx(folder, tree, answer, files, on) as other:
                if fetch(other.port, request, tls=True).body != answer.body:
                    raise RuntimeError("nginx sends other bytes than ours")
                load = Load([request], CLIENTS, 1 if options.quick else 3, tls=True)
                once = partial(_once, load, len(answer.body), generators, folder / "tls.lua")
                found = in_turns({OURS: ours.server, NGINX: other}, options.rounds, once)
            rows = tuple(delivery_row(each, CLIENTS, samples, found[NGINX]) for each, samples in found.items())
            yield Table(title=f"{name}, whole, over TLS", columns=COLUMNS, rows=rows)


def make_certificate(folder: Path) -> Files:
    """Self-signed, on the curve of most certificates; it is not verified here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
        .sign(key, SHA256())
    )
    files = Files(folder / "certificate.pem", folder / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _nginx(folder: Path, tree: Path, answer: HttpAnswer, files: Files, on: set[int]) -> AbstractContextManager[Server]:
    content = f"location / {{ root {tree}; }}"
    return nginx(folder / "nginx-tls", on, content, to_say(answer), answer.header("Content-Type"), files)


def _once(load: Load, answer_bytes: int, generators: set[int], script: Path, server: Server) -> DeliverySample:
    pids = server.pids()
    before = cpu_seconds(pids)
    told = run_wrk(load, server.port, generators, script)
    spent = cpu_seconds(pids) - before
    drained = Drained(told.bytes, told.requests, told.seconds, told.busy, told.p50, told.p99, told.most)
    return DeliverySample(spent, answer_bytes, drained)

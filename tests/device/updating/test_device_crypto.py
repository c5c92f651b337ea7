"""Encrypted bundles on devices that hold a public key: which form which release reads, what it says to others."""

import base64
import hashlib
import json
import os
from functools import cache

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from device_world import crc32, files_in, hashes, sha256, web_build, zipped
from places import ROOT

from edge.device.behaviours import Brotli, EncryptionForm
from edge.device.ledger import UpdateResult
from edge.device.updating.crypto import DeviceKey, Undecryptable

FILES = web_build(1)
ARCHIVE = zipped(FILES)
VECTORS = ROOT.parent / "shared/reference/vectors/crypto-rsa.json"


class Publisher:
    """The developer's side, written from PROTOCOL.md §6.2 and not from the code under test."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(65537, 2048)
        public = self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        self.pem = public.decode()
        self._aes_key, self._iv = os.urandom(16), os.urandom(16)
        self.session_key = (
            f"{base64.b64encode(self._iv).decode()}:{base64.b64encode(self._wrap(self._aes_key)).decode()}"
        )

    @cache  # noqa: B019  one publisher for the whole run
    def _wrap(self, content: bytes) -> bytes:
        block = b"\x00\x01" + b"\xff" * (253 - len(content)) + b"\x00" + content
        numbers = self._private.private_numbers()
        return pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")

    def body(self, content: bytes) -> bytes:
        padder = padding.PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(self._aes_key), modes.CBC(self._iv)).encryptor()
        return encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()

    def v3(self, content: bytes) -> str:
        return self._wrap(hashlib.sha256(content).digest()).hex()

    def v2(self, content: bytes) -> str:
        return base64.b64encode(self._wrap(base64.b64decode(sha256(content)))).decode()


@cache
def publisher() -> Publisher:
    return Publisher()


# PROTOCOL.md §6.1: V2 and V3 exclude each other.
READS = [
    ("android", "6.14.28", "v2"),
    ("ios", "6.14.28", "v2"),
    ("android", "6.27.11", "v2"),
    ("android", "6.39.0", "v3"),
    ("android", "5.43.3", "v3"),
    ("android", "7.0.18", "v2"),
    ("ios", "7.29.0", "v2"),
    ("android", "7.30.0", "v3"),
    ("ios", "8.40.2", "v3"),
    ("android", "8.51.23", "v3"),
    ("ios", "8.51.23", "v3"),
]


@pytest.mark.parametrize("form", ["v2", "v3"])
@pytest.mark.parametrize(("platform", "release", "reads"), READS)
async def test_encrypted_zip(world, tmp_path, platform, release, reads, form):
    key = publisher()
    world.offer_zip("1.1.0", key.body(ARCHIVE), getattr(key, form)(ARCHIVE), session_key=key.session_key)
    outcome = await world.device(platform, release, tmp_path, public_key=key.pem).check_and_update()
    assert (outcome.result is UpdateResult.UPDATED) == (form == reads)
    if form == reads:
        assert files_in(outcome.folder) == hashes(FILES)


def offer_encrypted_manifest(world, key: Publisher, digest, checksum: str, compress: str = "suffix") -> None:
    world.offer_manifest("1.1.0", FILES, compress=compress, session_key=key.session_key, checksum=checksum)
    plain = {sha256(content): content for content in FILES.values()}
    world.blobs = {path: key.body(stored) for path, stored in world.blobs.items()}
    for entry in world.answer[1]["manifest"]:
        entry["file_hash"] = digest(plain[entry["file_hash"]])


@pytest.mark.parametrize(
    ("platform", "release", "form", "right"),
    [
        ("android", "7.0.24", "v2", True),
        ("android", "7.0.25", "v2", False),
        ("android", "7.0.28", "v2", True),
        ("android", "8.51.16", "v3", True),
        ("ios", "8.51.16", "v3", True),
        ("ios", "8.51.23", "v3", True),
        ("android", "7.29.0", "v2", True),
        ("android", "7.29.0", "v3", False),
        ("android", "7.9.2", "v2", False),
    ],
)
async def test_encrypted_manifest(world, tmp_path, platform, release, form, right):
    key = publisher()
    digest = getattr(key, form)
    device = world.device(platform, release, tmp_path, public_key=key.pem)
    compress = "every" if device.profile.manifest.brotli is Brotli.EVERY_FILE else "suffix"
    offer_encrypted_manifest(world, key, digest, digest(ARCHIVE), compress)
    outcome = await device.check_and_update()
    assert (outcome.result is UpdateResult.UPDATED) == right
    if right:
        assert files_in(outcome.folder) == hashes(FILES)


@pytest.mark.parametrize(
    ("platform", "release", "result"),
    [
        ("ios", "8.51.22", UpdateResult.FAILED),
        ("ios", "8.51.23", UpdateResult.UPDATED),
        ("android", "8.51.22", UpdateResult.UPDATED),
    ],
)
async def test_top_level_checksum_beside_an_encrypted_manifest(world, tmp_path, platform, release, result):
    key = publisher()
    offer_encrypted_manifest(world, key, key.v3, "")
    outcome = await world.device(platform, release, tmp_path, public_key=key.pem).check_and_update()
    assert outcome.result is result


# A plain zip for a device with a key: by checksum form, what is accepted.
PLAIN = [
    ("android", "6.14.27", {"crc32"}),
    ("android", "6.14.28", {"sha256"}),
    ("android", "6.39.0", set()),
    ("android", "7.0.29", {"empty"}),
    ("android", "7.0.30", {"sha256"}),
    ("android", "8.51.22", {"sha256"}),
    ("android", "8.51.23", set()),
    ("ios", "8.51.16", set()),
    ("ios", "6.6.3", {"crc32"}),
    ("android", "5.9.5", {"crc32", "empty"}),  # has no such option
]


@pytest.mark.parametrize(("platform", "release", "accepted"), PLAIN)
async def test_plain_zip_for_a_device_with_a_key(world, tmp_path, platform, release, accepted):
    for form, checksum in {"crc32": crc32(ARCHIVE), "sha256": sha256(ARCHIVE), "empty": ""}.items():
        world.offer_zip("1.1.0", ARCHIVE, checksum)
        device = world.device(platform, release, tmp_path / form, public_key=publisher().pem)
        assert ((await device.check_and_update()).result is UpdateResult.UPDATED) == (form in accepted), form


@pytest.mark.parametrize("manifest", [False, True])
@pytest.mark.parametrize(
    ("platform", "actions"), [("android", {"session_key_required"}), ("ios", {"session_key_required", "download_fail"})]
)
async def test_session_key_is_required_from_8_51_23(world, tmp_path, platform, actions, manifest):
    if manifest:
        world.offer_manifest("1.1.0", FILES)
    else:
        world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    outcome = await world.device(platform, "8.51.23", tmp_path, public_key=publisher().pem).check_and_update()
    causes = {a for a in outcome.ledger.actions if not a.startswith("download_") or a == "download_fail"}
    assert causes == actions


@pytest.mark.parametrize(
    ("release", "characters"), [("7.36.1", 0), ("7.41.1", 20), ("6.39.0", 4), ("8.40.7", 4), ("8.40.8", 20)]
)
async def test_key_id_in_the_check(world, tmp_path, release, characters):
    world.answer = (200, {"version": "1.0.0", "url": "https://x.example/noop.zip"})
    await world.device("android", release, tmp_path, public_key=publisher().pem).check_and_update()
    body = "".join(publisher().pem.splitlines()[1:-1])
    assert world.asked[0].get("key_id", "") == body[:characters]


async def test_bytes_under_another_key(world, tmp_path):
    other = Publisher()
    world.offer_zip("1.1.0", other.body(ARCHIVE), other.v3(ARCHIVE), session_key=other.session_key)
    outcome = await world.device("android", "8.51.16", tmp_path, public_key=publisher().pem).check_and_update()
    assert outcome.ledger.actions[-3:] == ["delete", "finish_download_fail", "download_fail"]


async def test_a_signed_manifest_without_the_key_fails_file_by_file(world, tmp_path):
    world.offer_manifest("1.1.0", FILES, session_key=publisher().session_key)
    for entry in world.answer[1]["manifest"]:
        entry["file_hash"] = publisher().v3(entry["file_name"].encode())
    outcome = await world.device("android", "7.36.1", tmp_path).check_and_update()
    causes = [a for a in outcome.ledger.actions if a.endswith("_fail")]
    # As the published 7.36.1: every file is fetched, an inner and an outer handler report it.
    assert causes.count("download_manifest_checksum_fail") + causes.count("download_manifest_brotli_fail") == len(FILES)
    assert causes.count("download_manifest_file_fail") == len(FILES) and causes[-1] == "download_fail"
    assert len(world.served) == len(FILES)


@pytest.mark.parametrize("session_key", [":", "a:b", "a", "QUJD:QUJD", "a:b:c"])
def test_malformed_session_keys(session_key):
    with pytest.raises(Undecryptable):
        DeviceKey(publisher().pem, EncryptionForm.V3).decrypt(b"0" * 16, session_key)


def test_short_vector_is_refused():
    _, wrapped = publisher().session_key.split(":")
    with pytest.raises(Undecryptable):
        DeviceKey(publisher().pem, EncryptionForm.V3).decrypt(b"0" * 16, f"QUJD:{wrapped}")


def test_a_key_in_another_format_stops_the_app():
    with pytest.raises(ValueError, match="BEGIN RSA PUBLIC KEY"):
        DeviceKey("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", EncryptionForm.V3)


def test_published_vectors_agree():
    if not VECTORS.exists():
        pytest.skip(f"the plugin's own vectors are not at {VECTORS}")
    vectors = json.loads(VECTORS.read_bytes())
    key = DeviceKey(vectors["publicKeyPem"], EncryptionForm.V3)
    for case in vectors["decryptChecksum"]:
        assert key.digest(case["input"]["checksumHex"]) == case["expect"]["decryptedHex"], case["id"]
    for case in vectors["decryptChecksumInvalid"]:
        with pytest.raises(Undecryptable):
            key.digest(case["input"]["checksumHex"])
    for case in vectors["calcKeyId"]:
        assert DeviceKey(case["input"]["publicKeyPem"], EncryptionForm.V3).key_id(20) == case["expect"]["keyId"]

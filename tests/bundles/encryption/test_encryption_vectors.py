"""Our encryption against openssl's in both directions, and against the plugin's own vectors."""

import base64
import json
import shutil
import subprocess

import pytest
from places import ROOT, VECTORS

from edge.bundles.encryption.encrypt import encrypt
from edge.bundles.encryption.rsa_keys import load_private_key, parse_public_key
from edge.bundles.packing.pack import pack
from edge.bundles.verification.decryption import BundleDecryption
from edge.device.behaviours import EncryptionForm as Form
from edge.device.updating.crypto import DeviceKey
from edge.domain.encryption import build_encryption
from edge.domain.errors import Invalid

ENCRYPTED = VECTORS / "encryption"
PLUGIN_VECTORS = ROOT.parent / "shared/reference/vectors/crypto-rsa.json"
PLAIN = ("page.html", "big.bin")
OPENSSL = shutil.which("openssl")

with_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl on this machine")


def text(name: str) -> str:
    return (ENCRYPTED / name).read_text()


def content(name: str) -> bytes:
    return (ENCRYPTED / name).read_bytes()


def openssl(*args, given: bytes = b"") -> bytes:
    return subprocess.run([OPENSSL, *map(str, args)], input=given, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def key():
    return load_private_key(ENCRYPTED / "private.pem")


@pytest.fixture(scope="module")
def decryption(key):
    return BundleDecryption(
        key.public, build_encryption(text("session_key.txt"), text("page.html.signed"), text("key_id.txt"))
    )


@with_openssl
def test_openssl_makes_the_same_vectors_again(tmp_path):
    shutil.copytree(ENCRYPTED, tmp_path / "again")
    made = ["page.html.enc", "big.bin.enc", "page.html.signed", "big.bin.signed", "session_key.txt", "public.pem"]
    for name in made:
        (tmp_path / "again" / name).unlink()
    subprocess.run([tmp_path / "again" / "make.sh"], check=True, capture_output=True)
    for name in made:
        assert (tmp_path / "again" / name).read_bytes() == content(name), name


@pytest.mark.parametrize("name", PLAIN)
def test_what_openssl_encrypted_is_opened_by_the_server_and_by_a_device(decryption, name):
    encrypted = content(f"{name}.enc")
    assert b"".join(decryption.decrypt([encrypted], name)) == content(name)
    assert b"".join(decryption.decrypt((encrypted[n : n + 1] for n in range(len(encrypted))), name)) == content(name)
    device = DeviceKey(text("public.pem").strip(), Form.V3)
    assert device.decrypt(encrypted, text("session_key.txt")) == content(name)
    assert device.digest(text(f"{name}.signed")) == decryption.digest(text(f"{name}.signed"), name)


def test_blocks_are_openssls_byte_for_byte(key):
    for name in PLAIN:
        signed = text(f"{name}.signed")
        assert key.make_block(key.public.open_block(bytes.fromhex(signed))).hex() == signed
    block = base64.b64decode(text("session_key.txt").partition(":")[2])
    assert key.make_block(content("aes_key.bin")) == block
    assert key.public.open_block(block) == content("aes_key.bin")


def test_the_public_half_and_its_id_are_openssls(key):
    assert key.public.pem == text("public.pem")
    assert key.public.key_id == text("key_id.txt") == parse_public_key(text("public.pem")).key_id


@with_openssl
def test_what_we_encrypt_is_opened_by_openssl(key, tmp_path):
    source, work = tmp_path / "app", tmp_path / "work"
    source.mkdir()
    work.mkdir()
    (source / "index.html").write_bytes(content("page.html"))
    (source / "big.bin").write_bytes(content("big.bin"))
    packed = pack(source, work)
    made = encrypt(packed, key, work)
    iv, block = (base64.b64decode(part) for part in made.encryption.session_key.split(":"))
    aes_key = recovered(block)
    for plain, sealed, signed in [
        (packed.zip.path.read_bytes(), made.zip, made.encryption.checksum),
        *((content_of(packed, e.name), made.blobs[e.blob], e.signed) for e in made.entries),
    ]:
        opened = openssl("enc", "-d", "-aes-128-cbc", "-K", aes_key.hex(), "-iv", iv.hex(), "-in", sealed.path)
        assert opened == plain
        assert recovered(bytes.fromhex(signed)) == openssl("dgst", "-sha256", "-binary", given=plain)
    assert (len(aes_key), len(iv)) == (16, 16)


def content_of(packed, name):
    (entry,) = (entry for entry in packed.entries if entry.name == name)
    return packed.blobs[entry.blob].path.read_bytes()


def recovered(block: bytes) -> bytes:
    return openssl(
        "pkeyutl", "-verifyrecover", "-pubin", "-inkey", ENCRYPTED / "public.pem", "-in", "/dev/stdin", given=block
    )


def test_the_plugins_own_vectors_agree():
    if not PLUGIN_VECTORS.exists():
        pytest.skip(f"the plugin's own vectors are not at {PLUGIN_VECTORS}")
    vectors = json.loads(PLUGIN_VECTORS.read_bytes())
    key = parse_public_key(vectors["publicKeyPem"])
    for case in vectors["rsaPublicDecrypt"]:
        opened = key.open_block(bytes.fromhex(case["input"]["ciphertextHex"]))
        assert opened.hex() == case["expect"]["plaintextHex"], case["id"]
    for case in vectors["decryptChecksum"]:
        opened = key.open_block(bytes.fromhex(case["input"]["checksumHex"]))
        assert opened.hex() == case["expect"]["decryptedHex"], case["id"]
    for case in vectors["decryptChecksumInvalid"]:
        with pytest.raises(Invalid):
            build_encryption(text("session_key.txt"), case["input"]["checksumHex"], "")
        with pytest.raises(Invalid):
            key.open_block(bytes.fromhex(case["input"]["checksumHex"]))
    for case in vectors["calcKeyId"]:
        assert parse_public_key(case["input"]["publicKeyPem"]).key_id == case["expect"]["keyId"]

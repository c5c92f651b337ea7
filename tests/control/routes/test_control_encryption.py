"""Publishing encrypted bundles over HTTP: what is verified, what is served as it came, what is refused and how."""

import base64

import pytest
from by_hand import by_hand
from control_world import APP, digest, pack

from edge.bundles.encryption.rsa_keys import create_key_files
from edge.domain.manifest import encode_manifest, parse_manifest

BUNDLES = f"/v1/apps/{APP}/bundles"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return create_key_files(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def other_keys(tmp_path_factory):
    return create_key_files(tmp_path_factory.mktemp("other"))


def sealed(keys, **pages):
    """Blobs and request of an encrypted bundle, by plain arithmetic."""
    packed, oracle = pack(**pages), by_hand(keys.private.read_bytes())
    bodies = {name: oracle.body(content) for name, content in packed.blobs.items()}
    entries = [
        entry._replace(
            blob=digest(bodies[entry.blob]),
            bytes=len(bodies[entry.blob]),
            signed=oracle.signed(packed.blobs[entry.blob]),
        )
        for entry in parse_manifest(packed.blobs[packed.manifest])
    ]
    manifest, archive = encode_manifest(entries), bodies[packed.zip]
    packed.plain_blobs = packed.blobs
    packed.blobs = {digest(content): content for content in (manifest, archive, *bodies.values())}
    packed.manifest, packed.zip = digest(manifest), digest(archive)
    packed.encryption = {
        "session_key": oracle.session_key,
        "checksum": oracle.signed(packed.plain_blobs[pack(**pages).zip]),
        "public_key": keys.public.read_text(),
    }
    return packed


async def publish(api, packed, version="1.0.0", status=200, **changes):
    await api.upload(packed)
    body = {"version": version, "zip": packed.zip, "manifest": packed.manifest, "encryption": packed.encryption}
    return await api("POST", BUNDLES, body | changes, status=status)


def opaque(packed, **changes):
    encryption = {name: packed.encryption[name] for name in ("session_key", "checksum")}
    return {"manifest": None, "encryption": encryption | changes}


async def test_with_the_public_key_a_bundle_is_verified_and_described(acme, keys):
    packed = sealed(keys, page="one")
    made = await publish(acme, packed)
    plain = await acme.publish("2.0.0", pack(page="one"))
    assert made["content"] == plain["content"]
    assert (made["files"], made["plain_bytes"]) == (plain["files"], plain["plain_bytes"])
    assert (made["zip"], made["manifest"]) == (packed.zip, packed.manifest)
    assert (made["encrypted"], plain["encrypted"], plain["encryption"]) == (True, False, None)
    assert made["encryption"] == {
        "session_key": packed.encryption["session_key"],
        "checksum": packed.encryption["checksum"],
        "key_id": keys.key.key_id,
        "verified": True,
    }
    shown = await acme("GET", f"{BUNDLES}/1.0.0")
    assert all(len(entry["signed"]) == 512 for entry in shown["entries"])
    assert [entry["signed"] for entry in (await acme("GET", f"{BUNDLES}/2.0.0"))["entries"]] == ["", ""]


async def test_with_its_key_an_encrypted_bundle_is_held_against_the_rules_of_app_stores(acme, keys):
    def build(permission):
        told = f'<manifest package="{APP}"><uses-permission name="{permission}"/></manifest>'
        return sealed(keys, **{"AndroidManifest.xml": told})

    assert (await publish(acme, build("NFC")))["store_warnings"] == []
    (warning,) = (await publish(acme, build("CAMERA"), "1.1.0"))["store_warnings"]
    assert (warning["code"], warning["file"]) == ("permissions_differ", "AndroidManifest.xml")


async def test_the_same_files_with_another_session_key_change_nothing(acme, keys):
    first = await publish(acme, sealed(keys, page="one"))
    again = await publish(acme, sealed(keys, page="one"))
    assert (again["changed"], again["zip"], again["encryption"]) == (False, first["zip"], first["encryption"])
    assert await publish(acme, sealed(keys, page="two"), status=409) == "version_taken"


async def test_without_the_public_key_a_zip_is_served_as_it_came_and_marked(acme, keys):
    packed = sealed(keys, page="one")
    made = await publish(acme, packed, **opaque(packed, key_id="MIIBCgKC"))
    assert made["content"] == made["zip"] == packed.zip
    assert (made["encryption"]["verified"], made["encryption"]["key_id"]) == (False, "MIIBCgKC")
    assert (made["manifest"], made["files"], made["plain_bytes"], made["store_warnings"]) == (None, None, None, None)
    (listed,) = await acme("GET", BUNDLES)
    assert listed["encryption"]["verified"] is False
    assert (await acme("GET", f"{BUNDLES}/1.0.0"))["entries"] == []
    again = await publish(acme, packed, **opaque(packed, key_id="MIIBCgKC"))
    assert (again["changed"], again["revision"]) == (False, made["revision"])
    await acme("DELETE", f"{BUNDLES}/1.0.0")
    assert await acme("GET", BUNDLES) == []


def changed(packed, **changes):
    return {"encryption": packed.encryption | changes}


REFUSED = {
    "no manifest": (lambda p, o: {"manifest": None}, "missing_manifest"),
    "no encryption": (lambda p, o: {"encryption": None}, "zip_malformed"),
    "neither": (lambda p, o: {"encryption": None, "manifest": None}, "missing_manifest"),
    "a manifest nobody can prove": (lambda p, o: opaque(p) | {"manifest": p.manifest}, "unproven_manifest"),
    "another key": (lambda p, o: changed(p, public_key=o.key.pem), "wrong_key"),
    "another key's id": (lambda p, o: changed(p, key_id=o.key.key_id), "key_id_mismatch"),
    "the private key": (lambda p, o: changed(p, public_key=o.private.read_text()), "invalid_public_key"),
    "no key": (lambda p, o: changed(p, public_key="hello"), "invalid_public_key"),
    "a session key of a wrong form": (lambda p, o: changed(p, session_key="a:b"), "invalid_session_key"),
    "an opaque one of a wrong form": (lambda p, o: opaque(p, session_key=":"), "invalid_session_key"),
    "a checksum of a wrong form": (lambda p, o: opaque(p, checksum="5a"), "invalid_checksum"),
    "the older form": (lambda p, o: opaque(p, checksum=base64.b64encode(bytes(256)).decode()), "invalid_checksum"),
    "a key id of a wrong form": (lambda p, o: opaque(p, key_id="x" * 21), "invalid_key_id"),
    "another checksum": (lambda p, o: changed(p, checksum="5a" * 256), "wrong_key"),
    "a plain zip": (lambda p, o: opaque(p) | {"zip": p.manifest}, "not_encrypted"),
    "an unknown field": (lambda p, o: changed(p, private_key="x"), "invalid_body"),
    "a zip that is not there": (lambda p, o: opaque(p) | {"zip": "0" * 64}, "missing_blob"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_an_invalid_bundle_is_refused_with_its_code_and_leaves_nothing(acme, world, keys, other_keys, what):
    changes, code = REFUSED[what]
    packed = sealed(keys, page="one")
    assert await publish(acme, packed, status=422, **changes(packed, other_keys)) == code
    assert await acme("GET", BUNDLES) == []
    assert world.scratch_files() == []


async def test_a_refusal_never_repeats_the_key_it_was_given(acme, keys, other_keys):
    packed = sealed(keys, page="one")
    await acme.upload(packed)
    body = {"version": "1.0.0", "zip": packed.zip, "manifest": packed.manifest}
    body |= changed(packed, public_key=other_keys.private.read_text())
    headers = {"Authorization": f"Bearer {acme.secrets['root']}"}
    async with acme.client.post(BUNDLES, json=body, headers=headers) as response:
        text = await response.text()
    assert response.status == 422
    assert not any(line in text for line in other_keys.private.read_text().splitlines() if len(line) == 64)


async def test_a_changed_ciphertext_is_refused(acme, keys):
    packed = sealed(keys, page="one")
    content = bytearray(packed.blobs[packed.zip])
    content[0] ^= 1
    packed.blobs[digest(content)] = bytes(content)
    assert await publish(acme, packed, status=422, zip=digest(content)) == "checksum_mismatch"

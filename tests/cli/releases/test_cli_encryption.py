"""Encrypted bundles from the publisher's key to the files on a device, over a node that really runs."""

import base64
import hashlib
import json
import socket
import threading
from contextlib import contextmanager

import msgspec
import pytest
from by_hand import by_hand
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from running_node import app_name, hashes, hashes_in, web_build, write_folder, write_zip

FILES = web_build(1)
KEY_FILE, PUBLIC_FILE = ".capgo_key_v2", ".capgo_key_v2.pub"


@pytest.fixture(scope="module")
def keys(node, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    node.json("keys", "create", "--out", folder)
    return folder


@pytest.fixture
def app(node, request):
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "stable", "--public")
    return name


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "build", FILES)


def publish(node, app, path, keys, version="1.0.1"):
    return node.json(
        "bundle", "publish", app, path, "--version", version, "--channel", "stable", "--key", keys / KEY_FILE
    )


def update(node, app, state, plugin, platform, public_key):
    done = node.device(app, state, "--json", "--public-key", public_key, plugin=plugin, platform=platform)
    outcome = msgspec.json.decode(done.stdout)
    outcome["fetched"] = [each["url"] for each in outcome["requests"] if each["method"] == "GET"]
    return outcome


def test_a_key_pair_is_the_plugins_own_form_and_is_never_overwritten(node, tmp_path):
    made = node.json("keys", "create", "--out", tmp_path / "keys")
    private, public = tmp_path / "keys" / KEY_FILE, tmp_path / "keys" / PUBLIC_FILE
    assert (made["private_key_file"], made["public_key_file"]) == (str(private), str(public))
    assert private.stat().st_mode & 0o777 == 0o600
    before = private.read_bytes(), public.read_bytes()
    assert before[0].startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    assert before[1].decode().strip() == made["public_key"]
    key = load_pem_private_key(before[0], None)
    assert key.key_size == 2048
    assert key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1) == before[1]
    assert made["key_id"] == "".join(made["public_key"].splitlines()[1:-1])[:20]
    assert "never overwritten" in node.failure("keys", "create", "--out", tmp_path / "keys")
    public.unlink()
    assert "never overwritten" in node.failure("keys", "create", "--out", tmp_path / "keys")
    private.rename(public)
    assert "never overwritten" in node.failure("keys", "create", "--out", tmp_path / "keys")
    assert not private.exists() and public.read_bytes() == before[0]


def test_a_person_is_told_what_to_do_with_the_keys(node, tmp_path):
    done = node.run("keys", "create", "--out", tmp_path)
    snippet = done.stdout.splitlines()[-1]
    told = json.loads("{" + snippet + "}")["plugins"]["CapacitorUpdater"]["publicKey"]
    assert told == (tmp_path / PUBLIC_FILE).read_text().strip()
    assert "Keep the private key" in done.stderr
    assert b"PRIVATE" not in done.stdout_bytes + done.stderr_bytes


# Both sides of each border of `encryption` and `manifest_encryption` (PROTOCOL.md §11.5), and the newest.
READ_BY = [
    *(("android", plugin, "manifest") for plugin in ("5.43.3", "6.39.0", "6.42.9", "7.36.0", "8.2.0", "8.51.23")),
    *(("ios", plugin, "manifest") for plugin in ("5.43.3", "6.39.0", "7.34.2", "8.2.0", "8.51.22", "8.51.23")),
    *((platform, "7.30.0", "zip") for platform in ("android", "ios")),  # which would need plain files
    *(("android", plugin, "nothing") for plugin in ("5.9.5", "6.27.11", "7.29.0", "8.0.1", "9.0.0", "10.0.0")),
    *(("ios", plugin, "nothing") for plugin in ("5.9.5", "6.27.11", "7.29.0", "8.0.1", "9.0.0", "10.0.0")),
]


@pytest.fixture(scope="module")
def released(node, keys, tmp_path_factory):
    """One app with one encrypted release, for all tests that only ask for it."""
    node.text("app", "create", "com.acme.released")
    node.text("channel", "create", "com.acme.released", "stable", "--public")
    folder = write_folder(tmp_path_factory.mktemp("build"), FILES)
    return publish(node, "com.acme.released", folder, keys)


@pytest.mark.parametrize(("platform", "plugin", "way"), READ_BY)
def test_a_device_with_the_key_installs_exactly_the_files(node, released, keys, tmp_path, platform, plugin, way):
    outcome = update(node, released["app"], tmp_path / "state", plugin, platform, keys / PUBLIC_FILE)
    assert not {"download_fail", "decrypt_fail", "checksum_fail"} & {r["action"] for r in flat(outcome["reports"])}
    if way == "nothing":
        assert (outcome["result"], outcome["fetched"]) == ("up_to_date", [])
        return
    assert (outcome["result"], outcome["version"]) == ("updated", "1.0.1")
    assert hashes_in(outcome["folder"]) == hashes(FILES)
    expected, kind = (1, "/zip/") if way == "zip" else (len(FILES), "/file/")
    assert len(outcome["fetched"]) == expected and all(kind in url for url in outcome["fetched"])


def flat(reports):
    return [each for report in reports for each in (report if isinstance(report, list) else [report])]


@pytest.mark.parametrize("platform", ["android", "ios"])
@pytest.mark.parametrize("plugin", ["6.42.9", "7.41.1", "8.40.8", "8.51.14"])
def test_a_device_with_another_key_is_told_and_downloads_nothing(node, released, tmp_path, platform, plugin):
    node.json("keys", "create", "--out", tmp_path / "other")
    outcome = update(node, released["app"], tmp_path / "state", plugin, platform, tmp_path / "other" / PUBLIC_FILE)
    assert outcome["fetched"] == [] and outcome["reports"] == []
    if plugin == "8.51.14":
        assert (outcome["result"], outcome["reason"]) == ("blocked", "key_id_mismatch")
    else:
        assert outcome["result"] == "up_to_date"  # older generations understand silence only


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_a_device_without_a_key_is_told_and_downloads_nothing(node, released, tmp_path, platform):
    done = node.device(released["app"], tmp_path / "state", "--json", platform=platform)
    outcome = msgspec.json.decode(done.stdout)
    assert (outcome["result"], outcome["reason"], outcome["reports"]) == ("blocked", "key_id_missing", [])
    assert [each["method"] for each in outcome["requests"]] == ["POST"]


@pytest.mark.parametrize(
    ("platform", "plugin", "result"),
    [
        ("android", "6.42.9", "updated"),  # a manifest only; its zip would be refused
        ("android", "8.51.22", "updated"),
        ("android", "8.51.23", "blocked"),
        ("ios", "8.51.22", "blocked"),
        ("ios", "8.51.23", "blocked"),
    ],
)
def test_a_plain_bundle_for_a_device_with_a_key(node, app, folder, keys, tmp_path, platform, plugin, result):
    node.json("bundle", "publish", app, folder, "--version", "1.0.1", "--channel", "stable")
    outcome = update(node, app, tmp_path / "state", plugin, platform, keys / PUBLIC_FILE)
    assert outcome["result"] == result
    if result == "blocked":
        assert (outcome["reason"], outcome["fetched"]) == ("encryption_required", [])


def encrypted_before(path, key_file, content):
    """What the plugin's own command line makes of a zip, written from PROTOCOL.md §6.2 and not with our code."""
    made = by_hand(key_file.read_bytes())
    path.write_bytes(made.body(content))
    return ["--session-key", made.session_key, "--checksum", made.signed(content)]


@pytest.mark.parametrize("with_key_id", [True, False])
def test_a_zip_encrypted_before_goes_to_devices_as_it_is(node, app, keys, tmp_path, with_key_id):
    plain = write_zip(tmp_path / "plain.zip", FILES, top="dist/")
    options = encrypted_before(tmp_path / "app.zip", keys / KEY_FILE, plain.read_bytes())
    key_id = "".join((keys / PUBLIC_FILE).read_text().splitlines()[1:-1])[:20]
    options += ["--key-id", key_id] if with_key_id else []
    args = ("bundle", "publish", app, tmp_path / "app.zip", "--version", "1.0.1", "--channel", "stable", *options)
    made = node.json(*args)
    assert (made["encryption"]["verified"], made["manifest"], made["files"]) == (False, None, None)
    assert made["store_warnings"] is None
    assert made["content"] == made["zip"] == hashlib.sha256((tmp_path / "app.zip").read_bytes()).hexdigest()
    assert node.json(*args)["changed"] is False
    assert "unverified" in node.text("bundle", "list", app) and "unverified" in node.text(*args)
    assert "unverified" in node.text("bundle", "show", app, "1.0.1")
    for platform, plugin, way in READ_BY:
        outcome = update(node, app, tmp_path / f"{platform}{plugin}", plugin, platform, keys / PUBLIC_FILE)
        if way == "nothing":
            assert (outcome["result"], outcome["fetched"]) == ("up_to_date", [])
            continue
        assert outcome["result"] == "updated", outcome
        assert len(outcome["fetched"]) == 1 and "/zip/" in outcome["fetched"][0]
        assert hashes_in(outcome["folder"]) == hashes(FILES)


def test_another_session_key_for_the_same_zip_is_not_the_same_bundle(node, app, keys, tmp_path):
    plain = write_zip(tmp_path / "plain.zip", FILES).read_bytes()
    options = encrypted_before(tmp_path / "app.zip", keys / KEY_FILE, plain)
    encrypted_before(tmp_path / "other.zip", keys / KEY_FILE, plain)
    others = encrypted_before(tmp_path / "third.zip", keys / KEY_FILE, plain)
    args = ("bundle", "publish", app, tmp_path / "app.zip", "--version", "1.0.1")
    node.json(*args, *options)
    assert "publish a new version" in node.failure(*args, *others)
    assert "other files" in node.failure(*args[:3], tmp_path / "other.zip", *args[4:], *options)


def test_the_same_files_again_are_no_change_and_send_nothing(node, app, folder, keys):
    first = publish(node, app, folder, keys)
    again = publish(node, app, folder, keys)
    assert (again["changed"], again["uploaded"], again["zip"]) == (False, 0, first["zip"])
    assert again["encryption"] == first["encryption"]
    (folder / "index.html").write_text("other")
    reason = node.failure("bundle", "publish", app, folder, "--version", "1.0.1", "--key", keys / KEY_FILE)
    assert "other files" in reason


def test_a_version_stays_plain_or_encrypted_and_with_its_key(node, app, folder, keys, tmp_path):
    node.json("keys", "create", "--out", tmp_path / "other")
    publish(node, app, folder, keys)
    again = ("bundle", "publish", app, folder, "--version", "1.0.1")
    for options in ((), ("--key", tmp_path / "other" / KEY_FILE)):
        assert "unencrypted or with another key" in node.failure(*again, *options)
    node.json(*again[:-1], "1.0.2")
    assert "unencrypted or with another key" in node.failure(*again[:-1], "1.0.2", "--key", keys / KEY_FILE)


def test_a_deleted_version_does_not_come_back_with_other_bytes(node, app, folder, keys):
    node.json("bundle", "publish", app, folder, "--version", "1.0.1", "--key", keys / KEY_FILE)
    node.json("bundle", "delete", app, "1.0.1", "--yes")
    reason = node.failure("bundle", "publish", app, folder, "--version", "1.0.1", "--key", keys / KEY_FILE)
    assert "was deleted" in reason


def test_an_empty_file_is_refused_before_anything_is_sent(node, app, folder, keys):
    (folder / "assets/empty.css").touch()
    args = ("bundle", "publish", app, folder, "--version", "1.0.1")
    assert "'assets/empty.css' is empty" in node.failure(*args, "--key", keys / KEY_FILE)
    assert node.json(*args)["files"] == len(FILES) + 1  # nothing against it in a plain bundle


USAGE = [
    ["--session-key", "a:b"],
    ["--checksum", "ab"],
    ["--key-id", "MIIB"],
    ["--session-key", "a:b", "--checksum", "ab", "--key", KEY_FILE],
    ["--session-key", "a:b", "--checksum", "ab"],  # of a folder
]


@pytest.mark.parametrize("options", USAGE, ids=" ".join)
def test_options_that_do_not_go_together_are_usage(node, app, folder, keys, options):
    options = [keys / KEY_FILE if option == KEY_FILE else option for option in options]
    assert node.run("bundle", "publish", app, folder, "--version", "1.0.0", *options).exit_code == 2


BAD_KEYS = {
    "the public one": lambda keys: (keys / PUBLIC_FILE).read_bytes(),
    "cut": lambda keys: (keys / KEY_FILE).read_bytes()[:900],
    "nothing": lambda keys: b"",
    "too small": lambda keys: rsa_pem(1024),
}


def rsa_pem(bits):
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_a_file_that_is_no_private_key_is_named_and_not_shown(node, app, folder, keys, tmp_path, bad):
    file = tmp_path / "bad.key"
    file.write_bytes(BAD_KEYS[bad](keys))
    reason = node.failure("bundle", "publish", app, folder, "--version", "1.0.0", "--key", file)
    assert "bad.key" in reason and len(reason) < 300
    assert node.json("bundle", "list", app) == []


def test_a_device_does_not_start_with_what_is_no_public_key(node, app, keys, tmp_path):
    done = node.device(app, tmp_path / "state", "--public-key", keys / KEY_FILE)
    assert done.exit_code == 1 and "BEGIN RSA PUBLIC KEY" in done.stderr


# --- the private key stays where it is ---


@contextmanager
def listening_in(port):
    """A forwarder to `port` that keeps every byte a client sends through it."""
    heard, threads = bytearray(), []
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source, target, keep):
        while block := source.recv(65_536):
            if keep:
                heard.extend(block)
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)

    def serve(client):
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=pump, args=(server, client, False))
            back.start()
            pump(client, server, True)
            back.join()

    def accept():
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for thread in threads:
            thread.join()


def secrets_of(pem):
    """The private key in every spelling that a program might send: PEM lines, DER, and each number of it."""
    key = load_pem_private_key(pem, None)
    numbers = key.private_numbers()
    yield from (line for line in pem.splitlines() if len(line) == 64)
    yield from (line for line in pkcs8(key).splitlines() if len(line) == 64)
    for secret in (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        size = (secret.bit_length() + 7) // 8
        raw = secret.to_bytes(size, "big")
        yield from (raw, raw[::-1], raw.hex().encode(), base64.b64encode(raw), str(secret).encode())


def pkcs8(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_no_request_carries_the_private_key(node, app, folder, keys):
    pem = (keys / KEY_FILE).read_bytes()
    with listening_in(int(node.control.rpartition(":")[2])) as (url, heard):
        token = (node.data_dir / "node/admin.token").read_text().strip()
        options = ("--key", keys / KEY_FILE, "--url", url, "--token", token)
        made = node.json("bundle", "publish", app, folder, "--version", "1.0.1", *options)
    assert made["encryption"]["verified"] is True
    body_of_public = (keys / PUBLIC_FILE).read_text().splitlines()[1].encode()
    assert body_of_public in heard and token.encode() in heard  # the forwarder hears
    assert b"PRIVATE" not in heard
    for secret in secrets_of(pem):
        assert secret not in heard

"""Tokens: what they authenticate as, that the last admin stays, and that no secret is stored."""

import hashlib
import secrets
import shutil
import threading
from contextlib import suppress

import msgspec
import pytest
from token_making import admin, make_token

from edge.control.access.grants import Grant, hold_of
from edge.control.access.people_document import HeldRole
from edge.control.access.roles import Permission, Role
from edge.control.access.token_document import (
    KEEP_LIMIT_SECONDS,
    LIFETIME_LEAST_SECONDS,
    LIFETIME_LIMIT_SECONDS,
    TOKEN_LIMIT,
    NewToken,
)
from edge.control.access.tokens import Tokens, hash_secret, is_secret, new_secret
from edge.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from edge.store.key_set import KEY_SET_KEY, open_trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import TOKENS_KEY
from edge.store.signing import load_or_create_writer, open_document, sign_document
from edge.store.stored_document import Untrusted

NOW = 1_700_000_000.0
APP = "com.acme.app"


@pytest.fixture
def world(tmp_path):
    store = FsStore(tmp_path / "store")
    node_dir = tmp_path / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    return store, open_trust(store, node_dir, NOW, writer), writer


@pytest.fixture
def tokens(world):
    return Tokens(*world)


def make(tokens, name="ci", role=Role.PUBLISHER, app=APP, *, by="admin", command=""):
    return make_token(tokens, name, role, app, by=by, now=NOW, command=command or secrets.token_hex(16))


def payload_of(world):
    store, trust, _ = world
    return open_document("edge-tokens", store.get(TOKENS_KEY).data, trust.keys, "the tokens")


def test_a_new_token_authenticates_with_its_role_and_app(tokens):
    assert tokens.authenticate(make(tokens), NOW) == Grant("ci", (hold_of(Role.PUBLISHER, APP),))


def test_a_secret_has_a_prefix_and_256_bits(tokens):
    secret = make(tokens)
    assert is_secret(secret) and secret.startswith("edge_")
    assert secret != make(tokens, "other")


def test_the_store_holds_the_hash_and_not_the_secret(world, tokens):
    secret = make(tokens)
    document = msgspec.json.decode(payload_of(world))
    assert document["tokens"]["ci"]["hash"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.encode() not in world[0].get(TOKENS_KEY).data


@pytest.mark.parametrize("presented", ["", "edge_", "edge_" + "A" * 43, "A" * 100_000, "\ud800", "ci"])
def test_an_unknown_secret_is_refused(tokens, presented):
    make(tokens)
    with pytest.raises(Unauthorized):
        tokens.authenticate(presented, NOW)


def test_a_store_without_tokens_knows_none(tokens):
    with pytest.raises(Unauthorized):
        tokens.authenticate("edge_" + "A" * 43, NOW)
    assert tokens.records() == {}


def test_a_revoked_token_is_refused_at_once_by_every_process(world, tokens):
    secret = make(tokens)
    make(tokens, "root", Role.ADMIN, None)
    other_process = Tokens(*world)
    assert other_process.authenticate(secret, NOW)
    tokens.revoke("ci", admin())
    with pytest.raises(Unauthorized):
        other_process.authenticate(secret, NOW)


def test_a_command_id_makes_one_token(tokens):
    make(tokens, "ci", command="k")
    with pytest.raises(Conflict, match="token 'ci'") as refused:
        make(tokens, "other", command="k")
    assert refused.value.code == "command_id_used"


def test_a_name_is_taken_until_it_is_revoked(tokens):
    make(tokens, "root", Role.ADMIN, None)
    make(tokens)
    with pytest.raises(Conflict) as refused:
        make(tokens)
    assert refused.value.code == "token_exists"
    tokens.revoke("ci", admin())
    make(tokens)


def test_the_same_command_again_replaces_a_secret_that_was_lost(tokens):
    lost = make(tokens, command="k")
    secret = make(tokens, command="k")
    assert tokens.authenticate(secret, NOW).name == "ci"
    with pytest.raises(Unauthorized):
        tokens.authenticate(lost, NOW)


def test_a_revoked_token_does_not_come_back_by_its_own_command(world, tokens):
    make(tokens, "root", Role.ADMIN, None)
    make(tokens, command="k")
    tokens.revoke("ci", admin())
    for each in (tokens, Tokens(*world)):
        with pytest.raises(Conflict, match="revoked") as refused:
            make(each, command="k")
        assert refused.value.code == "command_id_used"
    assert tokens.authenticate(make(tokens, command="another"), NOW)


@pytest.mark.parametrize("lifetime_seconds", [None, 3_601])
def test_an_expiring_token_creates_none_that_outlives_it(tokens, lifetime_seconds):
    def create(name, by, now, seconds):
        options = {"by": by, "now": now, "command": secrets.token_hex(16), "lifetime_seconds": seconds}
        return make_token(tokens, name, **options)

    create("root", "admin", NOW, None)
    create("temp", "root", NOW, 3_600)
    with pytest.raises(Forbidden, match="--for") as refused:
        create("longer", "temp", NOW, lifetime_seconds)
    assert refused.value.code == "outlives_its_maker"
    with pytest.raises(Forbidden):
        create("longer", "temp", NOW + 60, 3_600)
    create("shorter", "temp", NOW + 60, 3_540)
    assert set(tokens.records()) == {"root", "temp", "shorter"}


@pytest.mark.parametrize("other", [{"by": "another"}, {"app": None}, {"role": Role.READER}])
def test_a_used_command_id_takes_no_token_over(tokens, other):
    secret = make(tokens, command="k")
    with pytest.raises(Conflict):
        make(tokens, command="k", **other)
    assert tokens.authenticate(secret, NOW)


def test_revoking_an_unknown_token_is_refused(tokens):
    with pytest.raises(NotFound) as refused:
        tokens.revoke("nobody", admin())
    assert refused.value.code == "unknown_token"


def test_the_last_admin_stays(tokens):
    make(tokens, "one", Role.ADMIN, None)
    make(tokens, "two", Role.ADMIN, None)
    make(tokens)
    tokens.revoke("one", admin())
    with pytest.raises(Conflict) as refused:
        tokens.revoke("two", admin())
    assert refused.value.code == "last_admin"
    assert set(tokens.records()) == {"ci", "two"}


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "ä", "x" * 65, "a\n"])
def test_odd_names_are_refused(tokens, name):
    with pytest.raises(Invalid) as refused:
        make(tokens, name)
    assert refused.value.code == "invalid_token_name"


def test_the_longest_name_is_taken(tokens):
    make(tokens, "x" * 64)


def test_a_node_cannot_be_limited_to_an_app(tokens):
    with pytest.raises(Invalid) as refused:
        make(tokens, role=Role.NODE)
    assert refused.value.code == "invalid_token_scope"


def test_the_app_of_a_token_is_checked(tokens):
    with pytest.raises(Invalid) as refused:
        make(tokens, app="non sense")
    assert refused.value.code == "invalid_app_id"


def test_the_number_of_tokens_is_limited(world, tokens):
    make(tokens)
    store, _, writer = world
    document = msgspec.json.decode(payload_of(world))
    record = document["tokens"]["ci"]
    document["tokens"] = {f"t{n}": record for n in range(TOKEN_LIMIT)}
    document["sequence"] += 1
    sealed = sign_document(writer, "edge-tokens", msgspec.json.encode(document))
    store.swap(TOKENS_KEY, sealed, store.get(TOKENS_KEY).tag)
    with pytest.raises(Conflict) as refused:
        make(tokens, "one-more")
    assert refused.value.code == "too_many_tokens"


def test_concurrent_writers_all_succeed(world):
    threads = [threading.Thread(target=lambda n=n: make(Tokens(*world), f"t{n}")) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Tokens(*world).records()) == {f"t{n}" for n in range(6)}
    assert msgspec.json.decode(payload_of(world))["sequence"] == 6


@pytest.mark.parametrize("restarted", [False, True])
def test_a_document_that_goes_back_brings_no_revoked_token_back(world, tokens, restarted, caplog):
    store = world[0]
    secret = make(tokens)
    root = make(tokens, "root", Role.ADMIN, None)
    old = store.get(TOKENS_KEY)
    tokens.revoke("ci", admin())
    store.swap(TOKENS_KEY, old.data, store.get(TOKENS_KEY).tag)
    if restarted:
        tokens = Tokens(*world)
    for _ in range(2):
        with pytest.raises(Unauthorized):
            tokens.authenticate(secret, NOW)
    assert tokens.authenticate(root, NOW).name == "root"
    assert tokens.problem == "the tokens document was rolled back from sequence 3 to 2"
    assert sum(each.startswith(f"{tokens.problem}; no tokens can be changed") for each in caplog.messages) == 1


@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_is_changed_while_the_document_is_missing(world, tokens, restarted):
    make(tokens)
    world[0].path(TOKENS_KEY).unlink()
    if restarted:
        tokens = Tokens(*world)
    assert set(tokens.records()) == {"ci"}
    with pytest.raises(Conflict, match="accept-restored") as refused:
        make(tokens, "another")
    assert (refused.value.code, world[0].has(TOKENS_KEY)) == ("older_store", False)


def test_a_problem_with_the_document_is_over_when_it_is_good_again(world, tokens):
    make(tokens)
    good = world[0].get(TOKENS_KEY).data
    world[0].path(TOKENS_KEY).write_bytes(good[:-9])
    tokens.check()
    assert tokens.problem
    world[0].path(TOKENS_KEY).write_bytes(good)
    make(tokens, "another")
    assert tokens.problem == ""


def refused_code(world):
    """Of a node that has not seen the document before; one that has goes on with what it has seen."""
    assert set(Tokens(*world).records()) == {"ci"}
    shutil.rmtree(world[0].root.parent / "node" / "seen")
    with pytest.raises(Untrusted) as refused:
        Tokens(*world).records()
    return refused.value.code


def test_a_document_signed_by_a_stranger_is_refused(world, tokens, tmp_path):
    store = world[0]
    make(tokens)
    stranger = load_or_create_writer(tmp_path / "stranger.pem")
    forged = sign_document(stranger, "edge-tokens", payload_of(world))
    store.swap(TOKENS_KEY, forged, store.get(TOKENS_KEY).tag)
    assert refused_code(world) == "unknown_writer"


def test_a_document_of_another_store_is_refused(world, tokens):
    store, _, writer = world
    make(tokens)
    foreign = msgspec.json.encode({**msgspec.json.decode(payload_of(world)), "store": "another"})
    store.swap(TOKENS_KEY, sign_document(writer, "edge-tokens", foreign), store.get(TOKENS_KEY).tag)
    assert refused_code(world) == "misplaced_document"


def test_what_was_seen_of_the_document_may_be_damaged(world, tokens):
    secret = make(tokens)
    seen = world[0].root.parent / "node" / "seen" / "tokens.json"
    seen.write_bytes(seen.read_bytes()[:-9])
    again = Tokens(*world)
    assert again.authenticate(secret, NOW).name == "ci"
    assert seen.read_bytes() == world[0].get(TOKENS_KEY).data


def test_a_writer_that_was_added_later_is_trusted(world, tokens, tmp_path):
    store, trust, root = world
    make(tokens)
    second = load_or_create_writer(tmp_path / "second.pem")
    node_dir = tmp_path / "second"
    node_dir.mkdir()
    open_trust(store, node_dir, NOW).add_writer(root, second.public, NOW)
    make(Tokens(store, open_trust(store, node_dir, NOW, second), second), "by-second")
    assert "by-second" in tokens.records()
    assert second.id in trust.keys


def test_a_use_is_noted_once_a_day_and_no_other_request_waits_for_it(world, tokens):
    secret, day = make(tokens), 86_400.0
    assert tokens.records()["ci"].last_used is None
    for now in (NOW, NOW + 1, NOW + 3_600):
        tokens.authenticate(secret, now)
    noted = world[0].get(TOKENS_KEY)
    assert tokens.records()["ci"].last_used == NOW // day * day
    assert msgspec.json.decode(payload_of(world))["sequence"] == 2
    tokens.authenticate(secret, NOW - day)  # a clock that steps back
    assert world[0].get(TOKENS_KEY) == noted
    tokens.authenticate(secret, NOW + day)
    assert tokens.records()["ci"].last_used == NOW // day * day + day


def test_a_use_that_cannot_be_noted_locks_nobody_out(world, tokens, caplog):
    secret = make(tokens)

    class Full(FsStore):
        def swap(self, key, data, tag):
            raise OSError(28, "No space left on device")

    full = Tokens(Full(world[0].root), *world[1:])
    assert full.authenticate(secret, NOW).name == "ci"
    assert "cannot record the use" in caplog.text and secret not in caplog.text


def test_an_expired_token_is_not_reported_as_unknown(tokens):
    secret = make_token(tokens, "ci", Role.UPLOADER, APP, now=NOW, lifetime_seconds=LIFETIME_LEAST_SECONDS)
    assert tokens.authenticate(secret, NOW + LIFETIME_LEAST_SECONDS - 0.5) == Grant(
        "ci", (hold_of(Role.UPLOADER, APP),)
    )
    with pytest.raises(Unauthorized) as refused:
        tokens.authenticate(secret, NOW + LIFETIME_LEAST_SECONDS)
    assert refused.value.code == "token_expired"


@pytest.mark.parametrize("seconds", [0, LIFETIME_LEAST_SECONDS - 1, LIFETIME_LIMIT_SECONDS + 1])
def test_a_token_lasts_for_a_minute_at_least_and_a_year_at_most(tokens, seconds):
    with pytest.raises(Invalid) as refused:
        make_token(tokens, "ci", Role.READER, now=NOW, lifetime_seconds=seconds)
    assert refused.value.code == "invalid_lifetime"


def test_an_admin_token_without_expiry_stays(tokens):
    make(tokens, "root", Role.ADMIN, None)
    make_token(tokens, "temp", by="root", now=NOW, lifetime_seconds=3_600)
    with pytest.raises(Conflict) as refused:
        tokens.revoke("root", admin())
    assert refused.value.code == "last_admin"


def test_a_document_of_format_1_is_read_and_written_as_2(world, tokens):
    store, _, writer = world
    secret = make(tokens)
    document = msgspec.json.decode(payload_of(world)) | {"format": 1}
    for new in ("lifetime_seconds", "used_day"):
        document["tokens"]["ci"].pop(new, None)
    store.swap(
        TOKENS_KEY, sign_document(writer, "edge-tokens", msgspec.json.encode(document)), store.get(TOKENS_KEY).tag
    )
    reader = Tokens(*world)
    assert (reader.records()["ci"].expires, reader.records()["ci"].last_used) == (None, None)
    assert reader.authenticate(secret, NOW) == Grant("ci", (hold_of(Role.PUBLISHER, APP),))
    assert msgspec.json.decode(payload_of(world))["format"] == 2


def test_a_hash_is_the_plain_sha256():
    assert hash_secret("edge_x") == hashlib.sha256(b"edge_x").hexdigest()


def went_back(world, tokens):
    """The secrets of a token that was revoked since the copy, and of one that was created since."""
    store = world[0]
    root = make(tokens, "root", Role.ADMIN, None)
    revoked = make(tokens)
    copy = store.get(TOKENS_KEY).data
    tokens.revoke("ci", admin())
    created = make(tokens, "later")
    store.path(TOKENS_KEY).write_bytes(copy)
    return root, revoked, created


def test_an_acceptance_revokes_what_was_revoked_and_keeps_what_was_created(world, tokens):
    root, revoked, created = went_back(world, tokens)
    again = Tokens(*world)
    for dry in (True, False):
        accepted = again.accept_restored(dry=dry)
        assert (accepted.revoked, accepted.brought_back) == (["ci"], ["later"])
    assert again.accept_restored(dry=False) is None
    for reader in (again, Tokens(*world), tokens):
        assert [reader.authenticate(secret, NOW).name for secret in (root, created)] == ["root", "later"]
        with pytest.raises(Unauthorized):
            reader.authenticate(revoked, NOW)
    make(again, "after")
    assert msgspec.json.decode(payload_of(world))["format"] == 3
    assert msgspec.json.decode(payload_of(world))["epoch"] == 1


def test_a_missing_document_comes_back_and_the_first_admin_does_not(world, tokens):
    secret = new_secret()
    tokens.register_first(secret, NOW)
    make(tokens, "root", Role.ADMIN, None)
    tokens.revoke("admin", admin())
    world[0].path(TOKENS_KEY).unlink()
    again = Tokens(*world)
    with pytest.raises(Conflict):
        again.register_first(secret, NOW)
    again.accept_restored(dry=False)
    again.register_first(secret, NOW)
    assert set(again.records()) == {"root"}


def test_a_damaged_document_comes_back_too(world, tokens):
    root, _, _ = went_back(world, tokens)
    world[0].path(TOKENS_KEY).write_bytes(b"{}")
    again = Tokens(*world)
    assert again.accept_restored(dry=False).revoked == []
    assert Tokens(*world).authenticate(root, NOW).name == "root"


@pytest.mark.parametrize("asked", [True, False])
def test_a_node_that_follows_takes_no_older_tokens(tmp_path, world, asked):
    """Also one that has answered nobody since its start: a revoked token must not come back."""
    store, *_ = world
    origin = Tokens(*world)
    make(origin, "admin", Role.ADMIN, None)
    secret = make(origin)
    older = store.get(TOKENS_KEY).data
    origin.revoke("ci", admin())
    newer = store.get(TOKENS_KEY).data
    mirror = FsStore(tmp_path / "mirror")
    region_dir = tmp_path / "region"
    region_dir.mkdir()
    mirror.create(KEY_SET_KEY, store.get(KEY_SET_KEY).data)
    mirror.create(TOKENS_KEY, newer)
    region = Tokens(mirror, open_trust(mirror, region_dir, NOW), None)
    if asked:
        region.check()
    with pytest.raises(Untrusted) as refused:
        region.take(older, lambda: None)
    assert refused.value.code == "older_document"
    region.take(newer, lambda: None)
    mirror.swap(TOKENS_KEY, older, mirror.get(TOKENS_KEY).tag)
    with pytest.raises(Unauthorized):
        region.authenticate(secret, NOW)


def test_who_asks_while_a_node_that_follows_takes_tokens_sees_nothing_wrong(tmp_path, world, caplog):
    store, *_ = world
    origin, mirror = Tokens(*world), FsStore(tmp_path / "mirror")
    (tmp_path / "region").mkdir()
    make(origin, "admin", Role.ADMIN, None)
    mirror.create(KEY_SET_KEY, store.get(KEY_SET_KEY).data)
    mirror.create(TOKENS_KEY, store.get(TOKENS_KEY).data)
    region = Tokens(mirror, open_trust(mirror, tmp_path / "region", NOW), None)
    secret = make(origin)
    newer = store.get(TOKENS_KEY).data

    def keep():
        with suppress(Unauthorized):
            region.authenticate(secret, NOW)
        mirror.swap(TOKENS_KEY, newer, mirror.get(TOKENS_KEY).tag)

    region.take(newer, keep)
    assert region.authenticate(secret, NOW).name == "ci"
    assert not region.problem and not caplog.records


@pytest.fixture
def acme(tokens):
    """The tokens, of a store in which organisation acme owns APP."""
    tokens.people.create_organisation(admin(), "acme", NOW)
    tokens.people.give_app(admin(), "acme", APP)
    return tokens


def issue(tokens, name, role, *scopes, grant=None, **more):
    wanted = NewToken(role=role, scopes=scopes, **more)
    return tokens.create(name, wanted, grant=grant or admin(), now=NOW, command=name)


def test_a_token_may_have_several_scopes(acme):
    secret = issue(acme, "ci", "releaser", f"app:{APP}/beta", "app:com.other.app")
    grant = acme.authenticate(secret, NOW)
    assert grant.may(Permission.CHANGE_CHANNELS, APP, "beta") and grant.may(Permission.CHANGE_CHANNELS, "com.other.app")
    assert not grant.may(Permission.CHANGE_CHANNELS, APP, "production") and not grant.may(Permission.READ_APP, "com.x")


def test_a_token_may_hold_an_own_role(acme):
    acme.people.set_role(admin(), "on-call", ["read_app", "roll_back"], "", NOW)
    secret = issue(acme, "pager", "on-call", "org:acme")
    assert acme.authenticate(secret, NOW).may(Permission.ROLL_BACK, APP, "production")
    acme.people.set_role(admin(), "on-call", ["read_app"], "", NOW)
    assert not acme.authenticate(secret, NOW).may(Permission.ROLL_BACK, APP, "production")


def test_nobody_makes_rotates_or_revokes_a_token_that_may_more_than_he(acme):
    boss = acme.authenticate(issue(acme, "boss", "admin", "org:acme"), NOW)
    acme.people.set_role(admin(), "keeper", ["manage_tokens", "read_app"], "", NOW)
    keeper = acme.authenticate(issue(acme, "keeper", "keeper", "org:acme"), NOW)
    make(acme, "root", Role.ADMIN, None)
    make(acme, "elsewhere", Role.READER, "com.other.app")
    for who, role, scope in (
        (boss, "viewer", "everything"),
        (boss, "node", "everything"),
        (boss, "uploader", "app:com.other.app"),
        (keeper, "viewer", "everything"),
        (keeper, "uploader", "org:acme"),
        (keeper, "admin", "org:acme"),
        (keeper, "keeper", "everything"),
    ):
        with pytest.raises(Forbidden) as refused:
            issue(acme, "x", role, scope, grant=who)
        assert refused.value.code == "forbidden", role
    issue(acme, "mine", "admin", f"app:{APP}", grant=boss)
    for who, name in ((boss, "root"), (boss, "elsewhere"), (keeper, "root")):
        with pytest.raises(Forbidden):
            acme.revoke(name, who)
    with pytest.raises(Forbidden):  # its secret would be an admin's
        acme.rotate("boss", 0, grant=keeper, now=NOW, command="r")
    assert set(acme.seen_by(boss)) == {"boss", "keeper", "mine"}
    acme.revoke("mine", boss)


def test_a_token_limited_to_an_app_is_nothing_once_the_app_is_anothers(acme):
    boss = acme.authenticate(issue(acme, "boss", "admin", "org:acme"), NOW)
    secret = issue(acme, "ci", "uploader", f"app:{APP}", grant=boss)
    assert acme.authenticate(secret, NOW).may(Permission.UPLOAD_BUNDLES, APP)
    acme.people.give_app(admin(), "default", APP)
    assert not acme.authenticate(secret, NOW).may(Permission.UPLOAD_BUNDLES, APP)


def test_a_rotation_keeps_the_former_secret_for_as_long_as_asked(tokens):
    former = make(tokens)
    latest = tokens.rotate("ci", 3_600, grant=admin("ops"), now=NOW, command="r1")
    for secret in (former, latest):
        assert tokens.authenticate(secret, NOW + 3_599).name == "ci"
    with pytest.raises(Unauthorized):
        tokens.authenticate(former, NOW + 3_600)
    assert tokens.standing(hash_secret(former), NOW + 3_600) is None and tokens.standing(hash_secret(latest), NOW)
    record = tokens.records()["ci"]
    assert (record.by, record.created, record.renewed, record.rotated_by) == ("admin", NOW, NOW, ("ops",))


def test_a_second_rotation_ends_the_secret_before_the_last(tokens):
    first = make(tokens)
    second = tokens.rotate("ci", 3_600, grant=admin(), now=NOW, command="r1")
    third = tokens.rotate("ci", 3_600, grant=admin(), now=NOW, command="r2")
    with pytest.raises(Unauthorized):
        tokens.authenticate(first, NOW)
    assert tokens.authenticate(second, NOW) == tokens.authenticate(third, NOW)


def test_a_repeated_rotation_voids_what_was_lost_and_keeps_the_former(tokens):
    former = make(tokens)
    lost = tokens.rotate("ci", 3_600, grant=admin(), now=NOW, command="r1")
    latest = tokens.rotate("ci", 3_600, grant=admin(), now=NOW + 1, command="r1")
    with pytest.raises(Unauthorized):
        tokens.authenticate(lost, NOW + 1)
    assert tokens.authenticate(former, NOW + 1) == tokens.authenticate(latest, NOW + 1)


def test_a_rotation_of_another_is_no_repeat_and_shows_no_secret(tokens):
    make(tokens)
    latest = tokens.rotate("ci", 3_600, grant=admin("ops"), now=NOW, command="r1")
    with pytest.raises(Conflict) as refused:
        tokens.rotate("ci", 3_600, grant=admin("other"), now=NOW, command="r1")
    assert refused.value.code == "command_id_used" and tokens.authenticate(latest, NOW)
    assert tokens.records()["ci"].rotated_by == ("ops",)


def test_a_rotation_gives_the_lifetime_anew_but_not_to_who_expires_sooner(tokens):
    make(tokens, "root", Role.ADMIN, None)
    temp = make_token(tokens, "temp", now=NOW, lifetime_seconds=3_600)
    tokens.rotate("temp", 0, grant=admin("root"), now=NOW + 3_000, command="r1")
    assert tokens.records()["temp"].expires == NOW + 6_600
    with pytest.raises(Forbidden) as refused:
        tokens.rotate("temp", 0, grant=admin("temp"), now=NOW + 3_001, command="r2")
    assert refused.value.code == "outlives_its_maker" and temp


def test_a_rotated_first_token_does_not_come_back_from_its_file(tokens):
    secret = new_secret()
    tokens.register_first(secret, NOW)
    latest = tokens.rotate("admin", 0, grant=admin("admin"), now=NOW, command="r1")
    tokens.register_first(secret, NOW)
    assert set(tokens.records()) == {"admin"} and tokens.authenticate(latest, NOW)
    with pytest.raises(Unauthorized):
        tokens.authenticate(secret, NOW)


@pytest.mark.parametrize("seconds", [-1, KEEP_LIMIT_SECONDS + 1])
def test_a_former_secret_works_for_a_month_at_most(tokens, seconds):
    make(tokens)
    with pytest.raises(Invalid) as refused:
        tokens.rotate("ci", seconds, grant=admin(), now=NOW, command="r1")
    assert refused.value.code == "invalid_lifetime"


def test_a_token_works_from_its_networks_alone(tokens):
    secret = issue(tokens, "ci", "uploader", networks=["10.0.0.0/8"])
    assert tokens.authenticate(secret, NOW, "10.1.2.3").name == "ci"
    for address in ("11.0.0.1", ""):
        with pytest.raises(Unauthorized) as refused:
            tokens.authenticate(secret, NOW, address)
        assert refused.value.code == "wrong_address"
        assert tokens.standing(hash_secret(secret), NOW, address) is None


def test_an_admin_token_that_may_fail_to_work_is_not_the_last(tokens):
    make(tokens, "root", Role.ADMIN, None)
    issue(tokens, "near", "admin", networks=["10.0.0.0/8"])
    issue(tokens, "part", "admin", f"app:{APP}")
    with pytest.raises(Conflict) as refused:
        tokens.revoke("root", admin())
    assert refused.value.code == "last_admin"


NEW_THINGS = [
    lambda tokens: issue(tokens, "x", "viewer"),
    lambda tokens: issue(tokens, "x", "reader", f"app:{APP}/beta"),
    lambda tokens: issue(tokens, "x", "admin", f"app:{APP}"),
    lambda tokens: issue(tokens, "x", "reader", networks=["10.0.0.1"]),
    lambda tokens: tokens.rotate("ci", 0, grant=admin(), now=NOW, command="r"),
]


@pytest.mark.parametrize("act", NEW_THINGS)
def test_the_format_is_raised_where_something_is_new_and_there_alone(world, tokens, act):
    make(tokens, "root", Role.ADMIN, None)
    make(tokens)
    make(tokens, "states", Role.REPORTER)
    before = msgspec.json.decode(payload_of(world))
    assert before["format"] == 4
    assert set(before["tokens"]["ci"]) == {"hash", "role", "app", "created", "by", "command"}
    act(tokens)
    assert msgspec.json.decode(payload_of(world))["format"] == 5
    if "x" in tokens.records():
        tokens.revoke("x", admin())
        assert msgspec.json.decode(payload_of(world))["format"] == 4


# As releases before there were people wrote it, all of it.
YESTERDAYS = {
    "format": 4,
    "sequence": 41,
    "tokens": {
        "admin": {"hash": "a" * 64, "role": "admin", "app": None, "created": 1.5, "by": "first-start"}
        | {"command": "first-start", "lifetime_seconds": None, "used_day": 19_000},
        "ci": {"hash": "b" * 64, "role": "uploader", "app": APP, "created": 2.5, "by": "admin"}
        | {"command": "k1", "lifetime_seconds": 7_776_000, "used_day": 0},
        "eu": {"hash": "c" * 64, "role": "node", "app": None, "created": 3.5, "by": "admin"}
        | {"command": "k2", "lifetime_seconds": None, "used_day": 0},
        "desk": {"hash": "d" * 64, "role": "reporter", "app": APP, "created": 4.5, "by": "admin"}
        | {"command": "k3", "lifetime_seconds": None, "used_day": 0},
    },
    "revoked": ["e" * 64],
    "used_commands": ["k0"],
    "epoch": 2,
}


def test_yesterdays_document_is_read_and_its_tokens_keep_their_rights(world):
    store, trust, writer = world
    document = YESTERDAYS | {"store": trust.store_id}
    store.create(TOKENS_KEY, sign_document(writer, "edge-tokens", msgspec.json.encode(document)))
    tokens = Tokens(*world)
    for name, role, app in (
        ("admin", Role.ADMIN, None),
        ("ci", Role.UPLOADER, APP),
        ("eu", Role.NODE, None),
        ("desk", Role.REPORTER, APP),
    ):
        hashed = YESTERDAYS["tokens"][name]["hash"]
        assert tokens.standing(hashed, 10.0) == Grant(name, (hold_of(role, app),))
    assert tokens.records()["ci"].expires == 2.5 + 7_776_000
    make(tokens, "bob", Role.READER)
    written = msgspec.json.decode(payload_of(world))
    assert (written["format"], written["sequence"], written["epoch"]) == (4, 42, 2)
    assert (written["revoked"], written["used_commands"]) == (["e" * 64], ["k0"])
    assert written["tokens"]["ci"]["lifetime_seconds"] == 7_776_000


def test_a_person_does_not_make_the_last_admin_token_their_own(tokens):
    """It would end with the person, and everybody would be locked out."""
    make_token(tokens, "root", now=NOW)
    tokens.people.add_person(admin(), "anna@example.com", "", [HeldRole("admin", "everything")], NOW)
    anna = tokens.people.grant_of("anna@example.com", NOW)
    with pytest.raises(Conflict, match="rotate it by itself") as refused:
        tokens.rotate("root", 0, grant=anna, now=NOW, command="k")
    assert refused.value.code == "last_admin"
    make_token(tokens, "other", now=NOW)
    tokens.rotate("root", 0, grant=anna, now=NOW, command="k")
    assert tokens.records()["root"].person == "anna@example.com"
    with pytest.raises(Conflict):
        tokens.revoke("other", anna)

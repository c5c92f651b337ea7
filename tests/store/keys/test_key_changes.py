"""Who may write: keys that are added and revoked, roots that hand over or are lost, and what nobody may forge of it."""

import msgspec
import pytest
from factories import APP, NOW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from token_making import make_token
from truths import KILLED, Truth, a_channel, a_released_truth, die_at, exit_code, fork, publish

from edge.control.access.token_document import TOKENS_DOMAIN
from edge.control.access.tokens import Tokens
from edge.domain.errors import Conflict, Forbidden, NotFound
from edge.store.heads import Heads, shard_of
from edge.store.key_set import KEY_SET_KEY, follow_trust, open_trust, read_trust
from edge.store.keys.key_changes import KeyChanges
from edge.store.keys.key_document import ROOTS_LIMIT, RootLink, base64_of, peek_key_set, sign_key_set
from edge.store.keys.root_keys import NEXT_FILE, ROOT_FILE, RootKeys
from edge.store.objects.fs import FsStore
from edge.store.objects.port import TOKENS_KEY, head_key
from edge.store.signing import load_or_create_writer, sign_document, signer_of
from edge.store.stored_document import Untrusted

DOCUMENTS = {TOKENS_KEY: TOKENS_DOMAIN}


class Office:
    """A truth, and what changes its keys: its own directory is the node's."""

    def __init__(self, top, store=None):
        self.truth = Truth(top, store)
        self.roots = RootKeys(top, self.truth.writer)
        self.changes = KeyChanges(self.truth.store, self.truth.trust, self.truth.writer, DOCUMENTS)

    @property
    def root(self):
        return self.roots.signer(self.truth.trust.held)

    @property
    def content(self):
        return self.truth.store.get(KEY_SET_KEY).data

    def rotate(self, times=1):
        for _ in range(times):
            self.changes.rotate(self.root, self.roots.make_next(), NOW)
            self.roots.settle(self.truth.trust.held)


def a_key(tmp_path, name):
    return load_or_create_writer(tmp_path / f"{name}.key")


def a_folder(tmp_path, name):
    path = tmp_path / name
    path.mkdir(exist_ok=True)
    return path


def a_follower(tmp_path, office, name="region", root=""):
    """A node that follows, with a store of its own."""
    return follow_trust(FsStore(tmp_path / f"{name}-store"), a_folder(tmp_path, name), office.content, root)


@pytest.mark.parametrize("times", [1, 2, 7])
def test_a_node_that_was_away_for_rotations_follows_the_root_from_its_pin(tmp_path, times):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    office.rotate(times)
    assert region.offer(office.content)
    assert region.held.key_set.root == office.root.id != office.truth.writer.id
    assert not region.offer(office.content)
    again = open_trust(FsStore(tmp_path / "region-store"), tmp_path / "region", NOW)
    assert (again.held.key_set, again.problem) == (region.held.key_set, "")


def test_the_pin_moves_with_the_root_so_that_a_stolen_old_root_signs_nothing_new(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    stolen = office.truth.writer
    before = office.truth.trust.held
    office.rotate()
    region.offer(office.content)
    (tmp_path / "region" / "seen" / "writers.json").unlink()
    forged = sign_key_set(stolen, msgspec.structs.replace(before.key_set, sequence=9))
    with pytest.raises(Untrusted, match="not signed by root") as refused:
        open_trust(FsStore(tmp_path / "region-store"), tmp_path / "region", NOW).offer(forged)
    assert refused.value.code == "unknown_root"


def test_heads_and_tokens_go_on_through_a_rotation(tmp_path):
    office = Office(tmp_path / "origin")
    office.truth.create()
    office.rotate()
    again = Truth(tmp_path / "origin")
    again.commit(a_channel())
    assert again.releases.head(APP).revision == 2


def test_a_first_sight_walks_the_whole_chain(tmp_path):
    office = Office(tmp_path / "origin")
    first = office.root
    office.rotate(3)
    assert a_follower(tmp_path, office, "pinned", first.id).held.key_set.root == office.root.id
    with pytest.raises(Untrusted, match="does not lead from root"):
        a_follower(tmp_path, office, "other", a_key(tmp_path, "stranger").id)


def a_link(maker, **changed):
    return msgspec.structs.replace(maker, **changed)


FORGERIES = {
    "its signature is gone": lambda link, other: a_link(link, signature=""),
    "its place is another": lambda link, other: a_link(link, sequence=link.sequence + 1),
    "its time is another": lambda link, other: a_link(link, at=link.at + 1),
    "it follows other bytes": lambda link, other: a_link(link, previous="0" * 64),
    "it is another root's": lambda link, other: a_link(link, public=base64_of(other.public)),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_handover_is_refused(tmp_path, forgery):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    office.rotate()
    other = a_key(tmp_path, "other")
    good = office.truth.trust.held.key_set
    link = FORGERIES[forgery](good.roots[1], other)
    signer = other if "another root" in forgery else office.root
    forged = msgspec.structs.replace(
        good, sequence=good.sequence + 2, previous="", root=signer.id, roots=(good.roots[0], link)
    )
    with pytest.raises(Untrusted, match="did not sign for it"):
        region.offer(sign_key_set(signer, forged))
    assert region.held.key_set.root == office.truth.writer.id


def test_a_handover_of_one_store_means_nothing_in_another(tmp_path):
    one, two = Office(tmp_path / "one"), Office(tmp_path / "two")
    (tmp_path / "two" / "writer.key").rename(tmp_path / "two" / "unused.key")
    region = a_follower(tmp_path, two)
    one.rotate()
    moved = msgspec.structs.replace(one.truth.trust.held.key_set, store=region.store_id)
    with pytest.raises(Untrusted) as refused:
        region.offer(sign_key_set(one.root, moved))
    assert refused.value.code == "unknown_root"


def test_a_statement_about_a_root_is_no_signature_of_any_document(tmp_path):
    office = Office(tmp_path / "origin")
    office.rotate()
    link = office.truth.trust.held.key_set.roots[1]
    payload = msgspec.json.encode([office.truth.trust.store_id, link.sequence, link.previous, link.public, link.at])
    envelope = msgspec.json.decode(sign_document(office.truth.writer, "edge-head", payload))
    envelope["signature"] = link.signature
    with pytest.raises(Untrusted):
        office.truth.trust.offer(msgspec.json.encode(envelope))


def test_two_key_sets_of_one_sequence_are_a_fork(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    held = office.truth.trust.held
    office.rotate()
    region.offer(office.content)
    fork = msgspec.structs.replace(region.held.key_set, keys={**held.key_set.keys}, revoked={}, previous="1" * 64)
    with pytest.raises(Untrusted, match="it is forked") as refused:
        region.offer(sign_key_set(office.root, fork))
    assert refused.value.code == "forked_history"


def test_a_fork_of_the_roots_is_refused_by_all_who_know_the_other_branch(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    copy = FsStore(tmp_path / "thief-store")
    copy.create(KEY_SET_KEY, office.content)
    stolen = open_trust(copy, a_folder(tmp_path, "thief"), NOW, office.truth.writer)
    office.rotate()
    region.offer(office.content)
    branch = KeyChanges(copy, stolen, office.truth.writer, {})
    branch.rotate(office.truth.writer, a_key(tmp_path, "thiefs"), NOW)
    with pytest.raises(Untrusted) as refused:
        region.offer(copy.get(KEY_SET_KEY).data)
    assert refused.value.code == "unknown_root"
    held = region.held.key_set
    assert held.root == office.root.id


def test_a_key_set_that_follows_another_one_is_a_fork(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    office.changes.add(office.root, a_key(tmp_path, "two").public, NOW)
    fork = msgspec.structs.replace(office.truth.trust.held.key_set, previous="2" * 64)
    with pytest.raises(Untrusted, match="it is forked"):
        region.offer(sign_key_set(office.root, fork))
    assert region.offer(office.content)


def test_a_key_set_that_went_back_is_refused_also_by_roots(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    first = office.content
    office.rotate()
    second = office.content
    office.rotate()
    region.offer(office.content)
    for older in (first, second):
        with pytest.raises(Untrusted):
            region.offer(older)
    assert region.held.content == office.content


def test_an_endless_chain_is_refused_before_its_signatures_are_read(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    office.rotate()
    good = office.truth.trust.held.key_set
    many = tuple(RootLink(good.roots[1].public, n, NOW, "", "x") for n in range(1, 10_001))
    with pytest.raises(Untrusted) as refused:
        region.offer(sign_key_set(office.root, msgspec.structs.replace(good, sequence=10_001, roots=many)))
    assert refused.value.code == "unreadable_document"
    full = msgspec.structs.replace(good, sequence=ROOTS_LIMIT, roots=(good.roots[0], *many[1:ROOTS_LIMIT]))
    with pytest.raises(Untrusted, match="did not sign for it"):
        region.offer(sign_key_set(office.root, full))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_no_flipped_bits_of_a_long_chain_are_taken(a_rotated_office, place, flip):
    office, region = a_rotated_office
    good = office.content
    at = place % len(good)
    with pytest.raises(Untrusted):
        region.offer(good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :])


@pytest.fixture
def a_rotated_office(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    office.rotate(3)
    return office, region


def test_a_revoked_key_signs_nothing_any_more_and_nothing_stops(tmp_path):
    office = Office(a_folder(tmp_path, "origin"))
    second = a_key(a_folder(tmp_path, "second"), "writer")
    office.changes.add(office.root, second.public, NOW)
    other = Truth(tmp_path / "second", office.truth.store.root)
    other.create()
    other.commit(a_channel())
    make_token(Tokens(other.store, other.trust, second), "ci", now=NOW)
    region = a_follower(tmp_path, office)
    heads = Heads(other.store, region)
    assert heads.shard(shard_of(APP)).shard.apps[APP].revision == 2
    done = office.changes.revoke(office.root, second.id, NOW)
    assert done.signed_again == 2  # the app's shard, and the tokens
    assert signer_of(other.head_file().read_bytes(), "") == office.truth.writer.id
    region.offer(office.content)
    assert heads.shard(shard_of(APP)).shard.apps[APP].revision == 2
    assert list(Tokens(office.truth.store, office.truth.trust, office.truth.writer).records()) == ["ci"]
    Truth(tmp_path / "origin").commit(a_channel("beta"))
    # What the key signs after that: for this place, and with a higher sequence.
    forged = office.truth.store.get(head_key(shard_of(APP)))
    payload = msgspec.json.decode(forged.data)["payload"].encode()
    office.truth.store.swap(head_key(shard_of(APP)), sign_document(second, "edge-head", payload), forged.tag)
    with pytest.raises(Untrusted) as refused:
        heads.shard(shard_of(APP))
    assert (refused.value.code, heads.refused["unknown_writer"]) == ("unknown_writer", 1)
    assert heads.last_good(shard_of(APP)).apps[APP].revision == 2
    # A node that writes puts back what it replaced, at its next look.
    writing = Truth(tmp_path / "origin").releases
    assert writing.refresh(NOW + 10) > 0
    assert Heads(other.store, region).shard(shard_of(APP)).shard.apps[APP].revision == 3


def test_what_a_node_has_seen_of_a_revoked_key_stays_its_floor(tmp_path):
    office = Office(a_folder(tmp_path, "origin"))
    second = a_key(a_folder(tmp_path, "second"), "writer")
    office.changes.add(office.root, second.public, NOW)
    other = Truth(tmp_path / "second", office.truth.store.root)
    other.create()
    older = other.head_file().read_bytes()
    other.commit(a_channel())
    region = open_trust(office.truth.store, a_folder(tmp_path, "region"), NOW)
    Heads(office.truth.store, region).shard(shard_of(APP))
    office.changes.revoke(office.root, second.id, NOW)
    payload = msgspec.json.decode(older)["payload"].encode()
    other.head_file().write_bytes(sign_document(office.truth.writer, "edge-head", payload))
    again = Heads(office.truth.store, open_trust(office.truth.store, tmp_path / "region", NOW))
    with pytest.raises(Untrusted, match="was rolled back"):
        again.shard(shard_of(APP))
    assert again.known(shard_of(APP)).apps[APP].revision == 2


def test_the_own_key_the_root_and_a_stranger_are_not_revoked(tmp_path):
    office = Office(tmp_path / "origin")
    with pytest.raises(Conflict, match="this node signs with that key"):
        office.changes.revoke(office.root, office.truth.writer.id, NOW)
    with pytest.raises(NotFound):
        office.changes.revoke(office.root, "0" * 16, NOW)
    second = Truth(a_folder(tmp_path, "second"), FsStore(tmp_path / "unused").root)
    with pytest.raises(Forbidden, match="is not the root"):
        office.changes.revoke(second.writer, office.truth.writer.id, NOW)


def test_a_key_that_was_revoked_is_listed_again_only_by_the_root(tmp_path):
    office = Office(tmp_path / "origin")
    second = a_key(tmp_path, "second")
    office.changes.add(office.root, second.public, NOW)
    office.changes.revoke(office.root, second.id, NOW)
    assert second.id not in office.truth.trust.keys and second.id in office.truth.trust.once_listed
    office.changes.add(office.root, second.public, NOW)
    assert second.id in office.truth.trust.keys and not office.truth.trust.held.key_set.revoked


def test_key_sets_that_need_nothing_new_stay_readable_for_a_release_before(tmp_path):
    office = Office(tmp_path / "origin")
    assert peek_key_set(office.content).format == 1
    office.changes.add(office.root, a_key(tmp_path, "two").public, NOW)
    assert (peek_key_set(office.content).format, peek_key_set(office.content).previous != "") == (1, True)
    office.rotate()
    assert peek_key_set(office.content).format == 2


def test_a_lost_root_is_replaced_and_each_node_accepts_it_by_its_operators_word(tmp_path):
    office = Office(tmp_path / "origin")
    office.truth.create()
    office.rotate()
    region = a_follower(tmp_path, office)
    (tmp_path / "origin" / ROOT_FILE).unlink()
    with pytest.raises(Forbidden, match="--root-key") as refused:
        office.root  # noqa: B018 - it is looked for
    assert refused.value.code == "no_root_key"
    new = office.roots.make_next()
    office.changes.replace(new, NOW)
    office.roots.settle(office.truth.trust.held)
    assert office.root.id == new.id
    # Until then the region goes on with what it has: heads are by a writer that it knows.
    with pytest.raises(Untrusted, match="edge keys root accept") as refused:
        region.offer(office.content)
    assert refused.value.code == "unknown_root"
    Truth(tmp_path / "origin").commit(a_channel())
    assert Heads(office.truth.store, region).shard(shard_of(APP)).shard.apps[APP].revision == 2
    # The operator's command, beside the running node.
    beside = open_trust(FsStore(tmp_path / "region-store"), tmp_path / "region", NOW)
    assert not beside.accept_root(new.id)  # the region's own store has the old key set
    assert region.offer(office.content)
    assert region.held.key_set.root == new.id
    office.rotate()
    assert region.offer(office.content)


def test_an_accepted_root_is_that_one_alone(tmp_path):
    office = Office(tmp_path / "origin")
    region = a_follower(tmp_path, office)
    region.accept_root(a_key(tmp_path, "announced").id)
    office.changes.replace(a_key(tmp_path, "thiefs"), NOW)
    with pytest.raises(Untrusted):
        region.offer(office.content)


def test_a_root_apart_signs_from_its_file(tmp_path):
    office = Office(tmp_path / "origin")
    with pytest.raises(Conflict, match="edge keys rotate") as refused:
        office.roots.move_to(tmp_path / "vault.key", office.truth.trust.held)
    assert refused.value.code == "root_is_writer"
    office.rotate()
    office.roots.move_to(tmp_path / "vault.key", office.truth.trust.held)
    with pytest.raises(Forbidden, match="is not on this machine"):
        office.root  # noqa: B018 - it is looked for
    apart = office.roots.signer(office.truth.trust.held, tmp_path / "vault.key")
    office.changes.add(apart, a_key(tmp_path, "two").public, NOW)
    assert len(office.truth.trust.keys) == 2
    with pytest.raises(Forbidden, match="is not the key of root"):
        office.roots.signer(office.truth.trust.held, tmp_path / "two.key")
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600


def test_an_old_copy_from_before_a_rotation_can_be_looked_at_and_is_put_right(tmp_path):
    office = Office(tmp_path / "origin")
    older = office.content
    office.rotate()
    good = office.content
    office.truth.store.path(KEY_SET_KEY).write_bytes(older)
    assert read_trust(office.truth.store, tmp_path / "origin").held.key_set.sequence == 1
    with pytest.raises(Untrusted):
        read_trust(office.truth.store, tmp_path / "origin", compare=True)
    trust = open_trust(office.truth.store, tmp_path / "origin", NOW, office.truth.writer)
    assert trust.problem
    assert trust.put_back()
    assert (office.content, trust.problem) == (good, "")


def test_a_refusal_is_said_once(tmp_path, caplog):
    office = Office(tmp_path / "origin")
    older = office.content
    office.rotate()
    office.truth.store.path(KEY_SET_KEY).write_bytes(older)
    for _ in range(3):
        with pytest.raises(Untrusted):
            office.truth.trust.reload()
    assert len([each for each in caplog.records if "last good one" in each.message]) == 1


@pytest.mark.long
def test_a_rotation_that_is_killed_anywhere_is_finished_by_the_next(tmp_path):
    def rotate(step):
        office = Office(tmp_path / str(step))
        die_at(step)
        office.rotate()

    for step in range(1, 200):
        a_released_truth(tmp_path / str(step))
        outcome = exit_code(fork(lambda step=step: rotate(step)))
        office = Office(tmp_path / str(step))
        publish(office.truth, "1.0.2")  # nothing stopped
        assert office.root.public == office.truth.trust.held.root_public
        office.rotate()
        assert not (tmp_path / str(step) / NEXT_FILE).exists()
        if outcome != KILLED:
            break
    assert outcome == 0
    assert step > 20


@pytest.mark.long
def test_a_revocation_that_is_killed_anywhere_is_finished_by_the_next(tmp_path):
    def revoke(step, key):
        office = Office(tmp_path / str(step))
        die_at(step)
        office.changes.revoke(office.root, key, NOW)

    for step in range(1, 300):
        office = Office(a_folder(tmp_path, str(step)))
        second = a_key(a_folder(tmp_path, f"{step}-second"), "writer")
        office.changes.add(office.root, second.public, NOW)
        other = Truth(tmp_path / f"{step}-second", office.truth.store.root)
        other.create()
        outcome = exit_code(fork(lambda step=step, key=second.id: revoke(step, key)))
        office = Office(tmp_path / str(step))
        if second.id in office.truth.trust.keys:
            office.changes.revoke(office.root, second.id, NOW)
        office.truth.commit(a_channel())
        if outcome != KILLED:
            break
    assert outcome == 0
    assert step > 20

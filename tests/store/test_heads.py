"""What a store may not do to a reader: alter, replay, transplant, or lead it into a format it does not know."""

import shutil

import msgspec
import pytest
from factories import APP, NOW, digest
from truths import Truth, a_channel, apps_of_one_shard

from edge.store.heads import LIFETIME_SECONDS, SHARDS, Head, Heads, build_successor, encode_shard, shard_of
from edge.store.key_set import KEY_SET_KEY
from edge.store.objects.port import head_key
from edge.store.signing import load_or_create_writer, sign_document
from edge.store.stored_document import Untrusted

SHARD = shard_of(APP)


@pytest.fixture
def truth(tmp_path):
    truth = Truth(tmp_path / "node")
    truth.create()
    return truth


@pytest.fixture
def heads(truth):
    heads = Heads(truth.store, truth.trust)
    heads.read()
    return heads


def place(truth, content, shard=SHARD):
    """Put bytes where a head shard is, past all conditions."""
    (truth.store.root / head_key(shard)).write_bytes(content)


def signed(truth, writer=None, held=None, **fields):
    """The current shard's successor with some fields changed, signed."""
    current = held or Heads(truth.store, truth.trust).shard(SHARD).shard
    shard = build_successor(current, NOW, current.apps)
    return encode_shard(writer or truth.writer, msgspec.structs.replace(shard, **fields))


def refused_code(heads, shard=SHARD):
    with pytest.raises(Untrusted) as refused:
        heads.shard(shard)
    assert heads.refused[refused.value.code] > 0
    assert heads.problems[shard] == refused.value.message
    return refused.value.code


def test_the_shard_of_an_app_never_changes():
    # printf com.example.app | sha256sum
    assert shard_of(APP) == "8"


def test_a_shard_says_when_it_was_made_and_until_when_it_is_news(truth):
    shard = Heads(truth.store, truth.trust).shard(SHARD).shard
    assert (shard.sequence, shard.issued, shard.expires) == (1, NOW, NOW + LIFETIME_SECONDS)


def test_every_flipped_byte_is_refused(truth):
    good = truth.head_file().read_bytes()
    for n in range(len(good)):
        for flip in (0x01, 0x20, 0x80):
            place(truth, good[:n] + bytes([good[n] ^ flip]) + good[n + 1 :])
            with pytest.raises(Untrusted):
                Heads(truth.store, truth.trust).shard(SHARD)


def test_every_cut_is_refused(truth):
    good = truth.head_file().read_bytes()
    for n in range(len(good)):
        place(truth, good[:n])
        with pytest.raises(Untrusted):
            Heads(truth.store, truth.trust).shard(SHARD)


def test_a_replayed_older_head_is_refused_and_the_last_good_kept(truth, heads):
    older = truth.head_file().read_bytes()
    truth.commit(a_channel())
    good = heads.read()
    place(truth, older)
    assert heads.read() == good
    assert good[APP].revision == 2
    assert (dict(heads.refused), heads.problems) == (
        {"older_document": 1},
        {SHARD: f"head shard {SHARD} was rolled back from sequence 2 to 1"},
    )


def test_an_older_shard_with_the_same_apps_has_lost_nothing(truth, heads):
    older = truth.head_file().read_bytes()
    for later in (100, 200):
        truth.releases.refresh(NOW + later)
    assert heads.shard(SHARD).shard.sequence == 3
    place(truth, older)
    assert set(heads.read()) == {APP} and heads.problems == {}
    truth.commit(a_channel())  # by a writer whose floor is as high
    assert heads.shard(SHARD).shard.sequence == 4
    assert heads.problems == {}


def test_a_problem_is_over_when_the_shard_is_good_again(truth, heads):
    good = truth.head_file().read_bytes()
    place(truth, b"{}")
    heads.read()
    place(truth, good)
    heads.read()
    assert heads.problems == {}


def test_a_vanished_head_is_refused(truth, heads):
    truth.head_file().unlink()
    assert refused_code(heads) == "older_document"
    assert APP in heads.read()


@pytest.mark.parametrize("apps", [{}, {APP: Head(1, digest("another"))}])
def test_a_later_head_in_which_an_app_went_back_is_refused(truth, heads, apps):
    place(truth, signed(truth, apps=apps))
    assert refused_code(heads) == "older_document"


def test_a_lower_revision_is_refused_although_the_sequence_rises(truth):
    truth.commit(a_channel())
    heads = Heads(truth.store, truth.trust)
    heads.read()
    place(truth, signed(truth, apps={APP: Head(1, digest("first"))}))
    assert refused_code(heads) == "older_document"


def test_a_head_counts_in_its_own_place_only(truth, heads):
    elsewhere = next(shard for shard in SHARDS if shard != SHARD)
    place(truth, truth.head_file().read_bytes(), elsewhere)
    assert refused_code(heads, elsewhere) == "misplaced_document"


def test_a_head_of_another_store_of_the_same_writer_is_refused(truth, tmp_path):
    twin = tmp_path / "twin"
    twin.mkdir()
    (twin / "writer.key").write_bytes((truth.top / "writer.key").read_bytes())
    (twin / "writer.key").chmod(0o600)
    other = Truth(twin)
    other.create()
    place(truth, other.head_file().read_bytes())
    assert other.writer.id == truth.writer.id
    assert refused_code(Heads(truth.store, truth.trust)) == "misplaced_document"


def test_an_app_in_a_foreign_shard_is_refused(truth, heads):
    stray = next(app for app in (f"com.example.app{n}" for n in range(99)) if shard_of(app) != SHARD)
    place(truth, signed(truth, apps={APP: heads.read()[APP], stray: Head(1, digest("x"))}))
    assert refused_code(heads) == "misplaced_document"


def test_another_kind_of_document_is_no_head(truth, heads):
    place(truth, truth.store.get(KEY_SET_KEY).data)
    assert refused_code(heads) == "bad_signature"


def test_a_strangers_head_is_refused(truth, heads, tmp_path):
    place(truth, signed(truth, load_or_create_writer(tmp_path / "stranger.key")))
    assert refused_code(heads) == "unknown_writer"


def test_a_writer_that_was_added_later_is_believed_without_a_restart(truth, heads, tmp_path):
    added = load_or_create_writer(tmp_path / "added.key")
    Truth(truth.top).trust.add_writer(truth.writer, added.public, NOW)
    place(truth, signed(truth, added))
    assert heads.shard(SHARD).shard.sequence == 2


def test_a_newer_format_keeps_the_last_good_and_says_so(truth, heads):
    good = heads.read()
    place(truth, signed(truth, format=3))
    assert heads.read() == good
    assert heads.refused == {"newer_format": 1}
    assert "format 3; this version reads up to 2: upgrade" in heads.problems[SHARD]


def test_a_signed_payload_that_is_no_head_is_refused(truth, heads):
    place(truth, sign_document(truth.writer, "edge-head", b'{"format":1}'))
    assert refused_code(heads) == "unreadable_document"


def test_one_bad_shard_harms_no_other(truth, heads):
    elsewhere = next(app for app in (f"com.example.app{n}" for n in range(99)) if shard_of(app) != SHARD)
    truth.create(elsewhere)
    place(truth, b"nonsense")
    assert set(heads.read()) == {APP, elsewhere}
    shutil.rmtree(truth.top / "seen")  # a node that remembers nothing
    assert set(Heads(truth.store, truth.trust).read()) == {elsewhere}


def test_apps_of_one_shard_are_told_apart(truth, heads):
    apps = apps_of_one_shard(3)
    for app in apps:
        truth.create(app)
    assert set(apps) <= set(heads.read())


def test_what_is_wrong_with_a_shard_is_said_by_one_name(truth, heads):
    place(truth, b"junk")
    heads.read()
    assert heads.problems[SHARD].startswith(f"head shard {SHARD} cannot be read: ")
    place(truth, sign_document(truth.writer, "edge-tokens", b"{}"))
    heads.read()
    assert heads.problems[SHARD].startswith(f"head shard {SHARD} was altered: the signature of ")

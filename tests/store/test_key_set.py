import os
from itertools import count

import msgspec
import pytest
from factories import NOW
from truths import KILLED, Truth, die_at, exit_code, fork

from edge.domain.errors import Conflict, Forbidden, Unavailable
from edge.store.key_set import KEY_SET_KEY, open_trust
from edge.store.objects.fs import FsStore
from edge.store.signing import load_or_create_writer, sign_document
from edge.store.stored_document import Untrusted


@pytest.fixture
def store(tmp_path):
    return FsStore(tmp_path / "store")


def a_writer(tmp_path, name="writer"):
    return load_or_create_writer(tmp_path / f"{name}.key")


def a_node(tmp_path, name="node"):
    path = tmp_path / name
    path.mkdir(exist_ok=True)
    return path


def test_the_first_writer_makes_the_key_set_and_every_start_finds_it(store, tmp_path):
    first = open_trust(store, a_node(tmp_path), NOW, a_writer(tmp_path))
    again = open_trust(store, a_node(tmp_path), NOW + 1, a_writer(tmp_path))
    assert first.store_id == again.store_id
    assert dict(again.keys) == {a_writer(tmp_path).id: a_writer(tmp_path).public}


def test_of_two_first_starts_at_once_the_second_is_refused_by_name(store, tmp_path):
    open_trust(store, a_node(tmp_path, "one"), NOW, a_writer(tmp_path, "one"))
    second = a_writer(tmp_path, "two")
    with pytest.raises(Forbidden, match=f"writer {second.id} is not in the key set.*edge keys add") as refused:
        open_trust(store, a_node(tmp_path, "two"), NOW, second)
    assert refused.value.code == "unlisted_writer"


def test_first_starts_of_many_processes_make_one_key_set(tmp_path):
    started = [fork(lambda: Truth(tmp_path / "node", tmp_path / "store")) for _ in range(4)]
    assert [exit_code(process) for process in started] == [0] * 4
    assert len(Truth(tmp_path / "node", tmp_path / "store").trust.keys) == 1


def test_a_node_without_a_writer_waits_for_the_origin(store, tmp_path):
    with pytest.raises(Unavailable, match=r"^the store in .* has no key set yet: start its origin first"):
        open_trust(store, a_node(tmp_path), NOW)
    open_trust(store, a_node(tmp_path, "origin"), NOW, a_writer(tmp_path))
    assert a_writer(tmp_path).id in open_trust(store, a_node(tmp_path), NOW).keys


def test_the_root_adds_a_writer_and_others_learn_of_it(store, tmp_path):
    root, second = a_writer(tmp_path, "root"), a_writer(tmp_path, "second")
    trust = open_trust(store, a_node(tmp_path, "root"), NOW, root)
    reader = open_trust(store, a_node(tmp_path, "reader"), NOW)
    trust.add_writer(root, second.public, NOW)
    trust.add_writer(root, second.public, NOW)
    open_trust(store, a_node(tmp_path, "second"), NOW, second).require(second)
    assert second.id not in reader.keys
    reader.reload()
    assert second.id in reader.keys


def test_only_the_root_adds_writers(store, tmp_path):
    root, second = a_writer(tmp_path, "root"), a_writer(tmp_path, "second")
    trust = open_trust(store, a_node(tmp_path), NOW, root)
    trust.add_writer(root, second.public, NOW)
    with pytest.raises(Forbidden, match="is not the root"):
        trust.add_writer(second, a_writer(tmp_path, "third").public, NOW)


def test_a_change_at_the_same_time_is_a_clear_conflict(store, tmp_path):
    class Racing(FsStore):
        def swap(self, key, data, tag):
            super().swap(key, self.get(key).data + b" ", tag)  # somebody else, just before
            return super().swap(key, data, tag)

    root = a_writer(tmp_path)
    trust = open_trust(Racing(store.root), a_node(tmp_path), NOW, root)
    with pytest.raises(Conflict, match="try again"):
        trust.add_writer(root, a_writer(tmp_path, "second").public, NOW)


def test_a_store_swapped_for_another_is_refused(store, tmp_path):
    other = FsStore(tmp_path / "other")
    node = a_node(tmp_path)
    open_trust(store, node, NOW, a_writer(tmp_path))
    open_trust(other, a_node(tmp_path, "elsewhere"), NOW, a_writer(tmp_path, "other"))
    with pytest.raises(Untrusted, match="not signed by root") as refused:
        open_trust(other, node, NOW)
    assert refused.value.code == "swapped_store"


def test_another_store_of_the_same_root_is_refused_too(store, tmp_path):
    other = FsStore(tmp_path / "other")
    node, writer = a_node(tmp_path), a_writer(tmp_path)
    first = open_trust(store, node, NOW, writer)
    second = open_trust(other, a_node(tmp_path, "elsewhere"), NOW, writer)
    with pytest.raises(Untrusted, match=f"of store {second.store_id}, not of {first.store_id}"):
        open_trust(other, node, NOW, writer)


def test_a_node_does_not_found_a_lost_store_anew(store, tmp_path):
    keys = open_trust(store, a_node(tmp_path), NOW, a_writer(tmp_path)).keys
    store.path(KEY_SET_KEY).unlink()
    trust = open_trust(store, a_node(tmp_path), NOW, a_writer(tmp_path))
    assert (trust.keys, "lost its key set" in trust.problem) == (keys, True)
    assert not store.has(KEY_SET_KEY)


def test_a_node_that_remembers_nothing_does_not_found_a_lost_store_anew(tmp_path):
    truth = Truth(tmp_path / "node")
    truth.create()
    truth.store.path(KEY_SET_KEY).unlink()
    with pytest.raises(Unavailable, match="has lost its key set") as refused:
        open_trust(truth.store, a_node(tmp_path, "other"), NOW, truth.writer)
    assert refused.value.code == "no_key_set"


@pytest.mark.parametrize("stored", ["older", "missing", "damaged"])
def test_the_key_set_that_a_node_has_seen_stays_in_use_after_a_restart(store, tmp_path, stored):
    root, second = a_writer(tmp_path, "root"), a_writer(tmp_path, "second")
    trust = open_trust(store, a_node(tmp_path), NOW, root)
    older = store.get(KEY_SET_KEY).data
    trust.add_writer(root, second.public, NOW)
    good = store.get(KEY_SET_KEY).data
    path = store.path(KEY_SET_KEY)
    path.unlink()
    if stored != "missing":
        path.write_bytes(older if stored == "older" else good[:-9])
    trust = open_trust(store, a_node(tmp_path), NOW, second)
    assert second.id in trust.keys and trust.problem
    assert trust.put_back()
    assert (store.get(KEY_SET_KEY).data, trust.problem, trust.put_back()) == (good, "", False)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format":1,"store":"x"}'])
def test_a_damaged_pin_is_made_up_for_by_what_was_seen(store, tmp_path, content, caplog):
    node = a_node(tmp_path)
    keys = open_trust(store, node, NOW, a_writer(tmp_path)).keys
    (node / "trust.json").write_bytes(content)
    assert open_trust(store, node, NOW, a_writer(tmp_path)).keys == keys
    assert "stands in for it" in caplog.text
    other = FsStore(tmp_path / "other")
    open_trust(other, a_node(tmp_path, "elsewhere"), NOW, a_writer(tmp_path, "other"))
    with pytest.raises(Untrusted, match="not signed by root"):
        open_trust(other, node, NOW)


def test_a_seen_key_set_that_is_damaged_is_said_and_learned_again(store, tmp_path, caplog):
    node = a_node(tmp_path)
    open_trust(store, node, NOW, a_writer(tmp_path))
    seen = node / "seen" / "writers.json"
    seen.write_bytes(seen.read_bytes()[:-9])
    trust = open_trust(store, node, NOW, a_writer(tmp_path))
    assert (trust.seen.damaged, seen.read_bytes()) == (1, store.get(KEY_SET_KEY).data)
    assert "cannot be used" in caplog.text


def test_an_older_key_set_is_refused_and_the_last_good_kept(store, tmp_path):
    root, second = a_writer(tmp_path, "root"), a_writer(tmp_path, "second")
    trust = open_trust(store, a_node(tmp_path), NOW, root)
    older = store.get(KEY_SET_KEY).data
    trust.add_writer(root, second.public, NOW)
    store.path(KEY_SET_KEY).write_bytes(older)
    with pytest.raises(Untrusted, match="was rolled back from sequence 2 to 1"):
        trust.reload()
    assert second.id in trust.keys


def test_a_newer_key_set_says_so(store, tmp_path):
    root = a_writer(tmp_path)
    open_trust(store, a_node(tmp_path), NOW, root)
    payload = msgspec.json.decode(msgspec.json.decode(store.get(KEY_SET_KEY).data)["payload"])
    newer = msgspec.json.encode(payload | {"format": 3})
    store.path(KEY_SET_KEY).write_bytes(sign_document(root, "edge-writers", newer))
    assert "format 3; this version reads up to 2: upgrade" in open_trust(store, a_node(tmp_path), NOW, root).problem


@pytest.mark.parametrize("pinned", [True, False])
def test_every_flipped_byte_is_refused(store, tmp_path, pinned):
    node = a_node(tmp_path)
    open_trust(store, a_node(tmp_path, "node" if pinned else "elsewhere"), NOW, a_writer(tmp_path))
    good = store.get(KEY_SET_KEY).data
    for place in range(len(good)):
        for flip in (0x01, 0x20, 0x80):
            store.path(KEY_SET_KEY).write_bytes(good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :])
            if pinned:
                assert open_trust(store, node, NOW).problem
                continue
            with pytest.raises(Untrusted):
                open_trust(store, node, NOW)
    assert sorted(os.listdir(node)) == (["seen", "trust.json"] if pinned else [])


@pytest.mark.long
def test_a_first_start_that_is_killed_anywhere_is_finished_by_the_next(tmp_path):
    def start(step):
        die_at(step)
        Truth(tmp_path / str(step))

    for step in count(1):
        outcome = exit_code(fork(lambda step=step: start(step)))
        truth = Truth(tmp_path / str(step))
        truth.create()
        assert len(truth.trust.keys) == 1
        if outcome != KILLED:
            break
    assert outcome == 0
    assert step > 20

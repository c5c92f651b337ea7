"""Conditional writes whose answers are lost, and the ways in which servers compare tags."""

import pytest
from buckets import a_bucket_store, a_client
from s3_servers import refusal

from edge.domain.errors import Unavailable
from edge.store.objects.port import AlreadyExists, Stale
from edge.store.objects.probe import probe
from edge.store.s3.swapping import create, swap

KEY = "heads/a.json"


def only(method):
    return lambda asked, path: asked == method and path.endswith(KEY)


def test_a_swap_whose_answer_is_lost_is_ours(before_moto):
    client = a_client(before_moto.url)
    tag = create(client, KEY, b"one")
    before_moto.concerns = only("PUT")
    before_moto.script.append("lose_answer")
    new_tag = swap(client, KEY, b"two", tag)
    assert client.get(KEY) == (b"two", new_tag, 3)


def test_a_creation_whose_answer_is_lost_is_ours(before_moto):
    client = a_client(before_moto.url)
    before_moto.concerns = only("PUT")
    before_moto.script.append("lose_answer")
    assert create(client, KEY, b"one") == client.get(KEY).tag


def test_a_creation_of_the_same_bytes_by_another_is_refused(before_moto):
    client = a_client(before_moto.url)
    create(client, KEY, b"one")
    with pytest.raises(AlreadyExists):
        create(client, KEY, b"one")


def test_after_a_lost_answer_another_writers_bytes_are_stale(before_moto):
    client = a_client(before_moto.url)
    tag = create(client, KEY, b"one")
    swap(client, KEY, b"theirs", tag)
    before_moto.concerns = only("PUT")
    before_moto.script.append("drop")
    with pytest.raises(Stale):
        swap(client, KEY, b"ours", tag)
    assert client.get(KEY).data == b"theirs"


def test_a_conflict_of_two_writes_at_the_same_moment_is_tried_again(before_moto):
    client = a_client(before_moto.url)
    tag = create(client, KEY, b"one")
    before_moto.concerns = only("PUT")
    before_moto.script.append(refusal(409, "ConditionalRequestConflict"))
    swap(client, KEY, b"two", tag)
    assert client.get(KEY).data == b"two"


def test_a_server_that_compares_tags_without_quotes_is_understood(before_moto, tmp_path):
    before_moto.bare_tags = True
    store = a_bucket_store(before_moto.url, tmp_path / "store")
    store.prove()
    tag = store.create(KEY, b"one")
    assert '"' not in tag and not store.bucket.quotes
    before_moto.seen.clear()
    store.swap(KEY, b"two", tag)
    assert [method for method, _, _ in before_moto.seen] == ["PUT"]  # it is known by now


@pytest.mark.parametrize(("lax", "named"), [("if-none-match", "create-if-absent"), ("if-match", "compare-and-swap")])
def test_a_server_that_ignores_a_condition_is_refused_by_name(before_moto, tmp_path, lax, named):
    before_moto.lax = frozenset({lax})
    store = a_bucket_store(before_moto.url, tmp_path / "store")
    with pytest.raises(Unavailable, match=f"^the bucket s3://.* ignores {named}") as caught:
        store.create(KEY, b"one")
    assert caught.value.code == "unsafe_store"
    before_moto.lax = frozenset()
    probe(store)  # once it keeps them

"""What an origin on a bucket reads: its copy and its own changes, at no request; what it changes, it reads there."""

import pytest
from bucket_truth import two_origins
from factories import APP
from truths import a_channel

from edge.domain.changes.commands import CreateApp, DeleteChannel
from edge.domain.errors import Conflict, NotFound
from edge.store.heads import shard_of
from edge.store.objects.port import head_key
from edge.store.s3.bucket_releases import BROUGHT


def read(origin):
    releases = origin.directory.releases
    assert releases.head(APP) == releases.heads()[APP]
    assert next(line.number for line in releases.history(APP, 2)) == releases.head(APP).revision
    return set(releases.load(APP).channels)


async def test_reads_of_an_origin_ask_its_bucket_nothing(moto_address, tmp_path):
    mine, theirs = two_origins(tmp_path, moto_address)
    mine.commit(CreateApp(app=APP))
    theirs.commit(a_channel("theirs"))
    await mine.follow()
    before = mine.requests
    assert read(mine) == {"theirs"} and mine.requests == before


def test_what_an_origin_changes_it_reads_at_once_wherever_its_copy_is(moto_address, tmp_path):
    mine, theirs = two_origins(tmp_path, moto_address)
    mine.commit(CreateApp(app=APP))
    copied = mine.directory.mirror.get(head_key(shard_of(APP))).data
    theirs.commit(a_channel("theirs"))
    mine.commit(a_channel("mine"))  # its copy has not heard of theirs
    assert read(mine) == {"mine", "theirs"} and mine.directory.releases.known_heads(APP).revision == 3
    mine.directory.mirror.path(head_key(shard_of(APP))).write_bytes(copied)
    assert read(mine) == {"mine", "theirs"}


def test_a_change_is_refused_only_for_what_the_bucket_has(moto_address, tmp_path):
    """Not for what this node remembers of it, however short a time ago it looked."""
    mine, theirs = two_origins(tmp_path, moto_address)
    theirs.directory.releases.refresh(0.0)
    with pytest.raises(NotFound):
        theirs.commit(a_channel("early"))
    mine.commit(CreateApp(app=APP))
    theirs.commit(a_channel("beta"))
    assert mine.commit(DeleteChannel(name="beta"), id="delete").changed
    theirs.commit(a_channel("beta"))
    with pytest.raises(Conflict):
        mine.commit(a_channel("beta"))


async def test_what_an_origin_has_read_is_there_when_its_bucket_is_gone(before_moto, tmp_path):
    mine, _ = two_origins(tmp_path, before_moto.url)
    mine.commit(CreateApp(app=APP))
    before_moto.gone = True
    assert read(mine) == set()


def test_a_long_history_that_another_origin_made_is_listed_once_and_read_side_by_side(moto_address, tmp_path):
    mine, theirs = two_origins(tmp_path, moto_address)
    theirs.commit(CreateApp(app=APP))
    for number in range(BROUGHT):
        theirs.commit(a_channel(f"channel-{number}"))
    mine.commit(a_channel("mine"))
    before = mine.store.bucket.counts.taken()
    lines = mine.directory.releases.history(APP, 1_000)
    assert [line.number for line in lines] == [*range(BROUGHT + 2, 0, -1)]
    after = mine.store.bucket.counts.taken()
    assert after["list"] - before.get("list", 0) <= 2 and after["get"] - before["get"] == BROUGHT
    before = mine.requests
    assert mine.directory.releases.history(APP, 1_000) == lines and mine.requests == before

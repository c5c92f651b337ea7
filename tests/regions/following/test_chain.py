"""Revisions lead back to the known one, or nothing of them is used."""

import time

import pytest
from factories import APP, a_change
from followed_world import TestedSource

from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, SetChannel
from edge.node.processes.data_directory import DataDirectory
from edge.regions.following.chain import KEPT_REVISIONS, read_chain
from edge.regions.source import SourceLost
from edge.store.heads import Head
from edge.store.objects.port import revision_key
from edge.store.stored_document import Untrusted


@pytest.fixture
def truth(tmp_path):
    truth = DataDirectory(tmp_path / "truth", time.time())
    truth.heads = [truth.releases.commit(APP, a_change(CreateApp(app=APP))).head]
    command = CreateChannel(name="production", settings=ChannelSettings(public=True))
    truth.heads.append(truth.releases.commit(APP, a_change(command)).head)
    for number in range(20):
        command = SetChannel(name="production", settings=ChannelSettings(public=True, spread_seconds=number + 1))
        truth.heads.append(truth.releases.commit(APP, a_change(command)).head)
    truth.source = TestedSource(truth.mirror)
    return truth


@pytest.mark.parametrize("known", [0, 3, 20])
async def test_the_chain_ends_at_the_known_revision_and_its_newest_links_are_kept(truth, known):
    chain = await read_chain(truth.source, APP, truth.heads[-1], truth.heads[known])
    assert [each.digest for each in chain] == [head.digest for head in truth.heads[:known:-1]][:KEPT_REVISIONS]
    assert truth.source.asked["revision"] == 21 - known


async def test_another_history_is_a_fork(truth):
    known = Head(5, "ab" * 32)
    with pytest.raises(Untrusted) as caught:
        await read_chain(truth.source, APP, truth.heads[-1], known)
    assert caught.value.code == "forked_history"


async def test_the_same_revision_with_other_bytes_is_a_fork(truth):
    with pytest.raises(Untrusted) as caught:
        await read_chain(truth.source, APP, truth.heads[-1], Head(truth.heads[-1].revision, "ab" * 32))
    assert caught.value.code == "forked_history" and not truth.source.asked["revision"]


async def test_an_accepted_restore_may_go_on_from_elsewhere(truth):
    assert await read_chain(truth.source, APP, truth.heads[-1], Head(5, "ab" * 32), accepted=True)


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda content: content.replace(b"production", b"productioN"), "bad_digest"),
        (lambda content: b"", "bad_digest"),
        (lambda content: content * 4_000, "bad_digest"),
    ],
)
async def test_altered_revisions_are_refused(truth, alter, code):
    truth.source.alter_revision = alter
    with pytest.raises(Untrusted) as caught:
        await read_chain(truth.source, APP, truth.heads[-1], truth.heads[3])
    assert caught.value.code == code


async def test_a_missing_revision_loses_the_source(truth):
    head = truth.heads[10]
    truth.mirror.place(revision_key(APP, head.revision, head.digest)).unlink()
    with pytest.raises(SourceLost):
        await read_chain(truth.source, APP, truth.heads[-1], truth.heads[3])

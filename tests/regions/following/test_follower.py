"""What a follower takes from its source, and in what order its copy comes to be."""

import errno
import hashlib

import pytest
from factories import APP, NOW, a_bundle, a_change, a_check, a_snapshot
from followed_world import FollowedWorld, copy_of
from node_world import publish, upload
from token_making import admin, make_token
from two_people import ANN, BOB, proposing

from edge.control.access.people_document import HeldRole
from edge.control.access.roles import Permission, Role
from edge.control.access.tokens import Tokens, new_secret
from edge.domain.changes.apply import foresee_proposal
from edge.domain.changes.approving.approval_commands import ApproveProposal, SetApproval
from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, PublishBundle, SetChannel
from edge.domain.decision.decide import decide
from edge.domain.errors import Conflict
from edge.domain.schedule.rollout import Moment
from edge.regions.following.follow_metrics import build_follow_metrics
from edge.regions.source import HeadsMoved, SourceLost
from edge.store.heads import shard_of
from edge.store.objects.fs import FsStore
from edge.store.objects.port import PEOPLE_KEY, TOKENS_KEY, blob_key, head_key, revision_key
from edge.store.stored_document import Untrusted
from edge.wire.exposition import encode_families


@pytest.fixture
async def world(tmp_path):
    world = FollowedWorld(tmp_path)
    world.truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    world.truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    yield world
    if hasattr(world, "follower"):
        await world.follower.fetcher.close()


def change(world, comment: str):
    command = SetChannel(name="production", settings=ChannelSettings(public=True, spread_seconds=int(comment)))
    return world.truth.releases.commit(APP, a_change(command))


async def test_what_is_published_is_announced_and_its_files_are_fetched_ahead(world):
    committed = publish(world.truth, "1.0.1")
    await world.start()
    await world.follower.look()
    await world.settle()
    assert world.told == [{APP: committed.head}]
    assert world.reader.load(APP) == committed.state
    assert {key for key in copy_of(world.mirror) if key.startswith("blobs/")} == {
        key for key in copy_of(world.truth.mirror) if key.startswith("blobs/")
    }


async def test_what_a_follower_took_the_node_knows_without_reading_it_again(world):
    publish(world.truth, "1.0.1")
    await world.start()
    await world.follower.look()
    assert shard_of(APP) in world.reader.heads_issued()


async def test_of_an_app_that_is_new_here_only_the_latest_revision_is_read(world):
    for number in range(1, 6):
        change(world, str(number))
    await world.start()
    await world.follower.look()
    assert world.source.asked["revision"] == 1 and world.revisions == {APP: 7}


async def test_what_follows_a_known_revision_is_read_back_to_it(world):
    await world.start()
    await world.follower.look()
    world.source.asked.clear()
    for number in range(1, 6):
        change(world, str(number))
    await world.follower.look()
    assert world.source.asked["revision"] == 5 and world.revisions == {APP: 7}


async def test_a_second_look_asks_for_what_has_changed_alone(world):
    await world.start()
    await world.follower.look()
    asked = dict(world.source.asked)
    await world.follower.look()
    assert world.source.asked == asked | {"documents": asked["documents"] + 1}
    assert len(world.told) == 1


async def test_a_head_that_is_only_signed_again_is_fresher_and_announces_nothing(world):
    await world.start()
    await world.follower.look()
    shard = shard_of(APP)
    issued = world.follower.standing.verified_issued[shard]
    world.truth.releases.refresh(world.now + 120.0)
    await world.follower.look()
    assert world.follower.standing.verified_issued[shard] > issued and len(world.told) == 1


async def test_the_next_process_goes_on_from_the_copy_with_the_source_gone(world):
    publish(world.truth, "1.0.1")
    await world.start()
    await world.follower.look()
    await world.settle()
    world.source.lost = True
    await world.start()
    assert world.reader.head(APP).revision == 3
    with pytest.raises(SourceLost):
        await world.follower.look()
    standing = world.follower.standing
    assert standing.unreachable_since == world.now and "nobody answers" in standing.trouble


async def test_the_source_that_is_back_is_followed_from_where_the_copy_was(world):
    await world.start()
    await world.follower.look()
    change(world, "1")
    await world.start()
    world.source.asked.clear()
    await world.follower.look()
    assert world.source.asked["revision"] == 1 and world.revisions == {APP: 3}
    assert world.follower.standing.unreachable_since is None


async def test_a_hint_makes_the_look_come_sooner(world):
    await world.start()
    world.follower.hint(HeadsMoved())
    assert world.follower.is_hinted


async def test_a_manifest_that_the_source_lost_keeps_no_release_from_being_announced(world):
    committed = publish(world.truth, "1.0.1")
    manifest = committed.state.bundles["1.0.1"].manifest
    world.truth.mirror.place(blob_key(manifest)).unlink()
    await world.start()
    await world.follower.look()
    assert world.revisions == {APP: 3} and world.follower.refused["missing_object"] == 1


async def test_a_copy_whose_head_was_lost_has_it_again(world):
    await world.start()
    await world.follower.look()
    key = head_key(shard_of(APP))
    world.mirror.place(key).write_bytes(b"rotten")
    await world.start()
    await world.follower.look()
    assert world.mirror.get(key).data == world.truth.mirror.get(key).data


async def test_what_was_fetched_and_refused_is_in_the_metrics(world):
    publish(world.truth, "1.0.1")
    await world.start()
    world.follower.refused["bad_digest"] += 2
    await world.follower.look()
    await world.settle()
    told = encode_families(build_follow_metrics(world.follower)).decode()
    assert 'edge_follow_refused_total{code="bad_digest"} 2' in told and "edge_follow_waiting_blobs 0" in told
    assert f"edge_follow_fetched_blobs_total {world.follower.fetcher.fetched}" in told


async def test_tokens_that_this_disk_does_not_take_keep_no_release_from_coming(world):
    class OneKeyFails(FsStore):
        def create(self, key, data):
            if key == TOKENS_KEY:
                raise OSError(errno.EIO, "Input/output error")
            return super().create(key, data)

    await world.start(lambda mirror: OneKeyFails(mirror.root))
    Tokens(world.truth.store, world.truth.trust, world.truth.writer).register_first(new_secret(), world.now)
    with pytest.raises(OSError, match="Input/output"):
        await world.follower.look()
    assert world.revisions == {APP: 2}


async def test_people_follow_and_what_is_taken_from_them_ends_here_too(world):
    truth = Tokens(world.truth.store, world.truth.trust, world.truth.writer)
    await world.start()
    truth.people.add_person(admin(), "anna@example.com", "", [HeldRole("viewer", f"app:{APP}")], world.now)
    secret = make_token(truth, "ci", Role.UPLOADER, now=world.now)
    await world.follower.look()
    here = world.tokens
    assert here.people.grant_of("anna@example.com", world.now).may(Permission.READ_APP, APP)
    assert here.authenticate(secret, world.now).name == "ci"
    older = world.truth.store.get(PEOPLE_KEY).data
    truth.people.remove_person(admin(), "anna@example.com")
    await world.follower.look()
    assert here.people.grant_of("anna@example.com", world.now) is None
    with pytest.raises(Untrusted) as refused:
        here.people.take(older, lambda: None)
    assert refused.value.code == "older_document"
    with pytest.raises(Conflict) as refused:
        here.people.create_organisation(admin(), "acme", world.now)
    assert refused.value.code == "not_the_origin"


def change_here_too(world, comment: str) -> None:
    """As an origin on a bucket does: what it changes is in its copy before the change is acknowledged."""
    head = change(world, comment).head
    revision = revision_key(APP, head.revision, head.digest)
    world.mirror.create(revision, world.truth.mirror.get(revision).data)
    key = head_key(shard_of(APP))
    world.mirror.swap(key, world.truth.mirror.get(key).data, world.mirror.get(key).tag)


async def test_what_this_node_changes_during_a_look_is_not_put_back_by_it(world):
    await world.start(shared=True)
    await world.follower.look()
    change(world, "1")
    meanwhile = ["2"]

    def alter(content):
        if meanwhile:
            change_here_too(world, meanwhile.pop())
        return content

    world.source.alter_revision = alter
    await world.follower.look()
    assert world.reader.head(APP).revision == 4 and not world.follower.refused
    await world.follower.look()
    assert world.reader.head(APP).revision == 4 and world.revisions == {APP: 4}


async def test_what_this_node_changed_since_a_look_began_is_looked_at_once_more_before_it_is_refused(world):
    await world.start(shared=True)
    await world.follower.look()
    key = head_key(shard_of(APP))
    before = world.truth.mirror.get(key)
    change_here_too(world, "1")
    await world.follower.tending.look_at_heads()  # which reads what is here now
    world.source.alter_document = lambda each: (
        each._replace(content=before.data, tag="late") if each.key == key else each
    )
    await world.follower.look()
    assert not world.follower.refused and world.follower.is_hinted
    await world.follower.look()  # the source still has it: it went back
    assert world.follower.refused == {"older_document": 1} and world.reader.head(APP).revision == 3
    world.source.alter_document = lambda each: each
    await world.follower.look()
    assert world.revisions == {APP: 3} and not world.follower.standing.refusal


async def test_what_waits_for_approval_is_offered_to_none_of_a_regions_devices_and_what_is_approved_is(world):
    publish(world.truth, "1.0.1")
    releases = world.truth.releases
    releases.commit(APP, a_change(SetApproval(channel="production", people=2)))
    upload(world.truth, "1.1.0")
    bundle = a_bundle("1.1.0", zip=hashlib.sha256(b"zip 1.1.0").hexdigest())
    waits = proposing(PublishBundle(bundle=bundle, channel="production"), ANN)
    state = releases.commit(APP, a_change(waits, by=ANN)).state
    (proposal,) = state.proposals.values()
    await world.start()

    async def offered() -> str:
        """To a device that asks the region, by the region's own copy."""
        await world.follower.look()
        await world.settle()
        here = world.reader.load(APP)
        assert here.revision == releases.head(APP).revision and "1.1.0" in here.bundles
        return decide(a_snapshot(here), a_check(), Moment(NOW, NOW)).bundle.version

    assert await offered() == "1.0.1" and world.reader.load(APP).proposals
    effect = foresee_proposal(state, proposal, NOW).needed.effect.digest
    releases.commit(APP, a_change(ApproveProposal(proposal=proposal.id, effect=effect, hands=(BOB,)), by=BOB))
    assert await offered() == "1.1.0" and not world.reader.load(APP).proposals
    assert world.mirror.has(blob_key(bundle.zip))

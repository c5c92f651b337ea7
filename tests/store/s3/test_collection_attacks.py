"""What may go wrong while garbage in a bucket is collected: nothing that a revision names goes.

One node collects through a server that cuts it off, or lets another node publish, at each of its requests in turn.
"""

import hashlib
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from bucket_truth import BucketTruth
from buckets import a_place
from factories import APP, NOW, a_manifest, the_files
from s3_servers import Clock
from truths import a_channel, a_published

from edge.domain.changes.commands import CreateChannel, DeleteBundle, PublishBundle
from edge.domain.errors import EdgeError
from edge.store.key_set import read_trust
from edge.store.objects.port import blob_key
from edge.store.s3.client import CallLimits
from edge.store.s3.collection import LEASE_SECONDS, SKEW_SECONDS
from edge.store.signing import load_or_create_writer
from edge.store.upkeep.collect import Collector

DAY = 86_400.0
ONCE = CallLimits(attempt_seconds=120.0, call_seconds=120.0, attempts=1, rest_seconds=0.0)

STEPS_LIMIT, LEAST_STEPS = 50, 6  # of a collection

pytestmark = pytest.mark.long  # a bucket for each step


class Attacked:
    """Two nodes of one bucket, with the blobs of bundle 1.0.2 as garbage in it. `mine` collects through `server`."""

    def __init__(self, address, server, tmp_path, limits=ONCE):
        self.clock = Clock(time.time() + 100 * DAY)
        self.server = server
        prefix = a_place(address).prefix
        tmp_path.mkdir(exist_ok=True)
        self.theirs = BucketTruth(tmp_path / "theirs", address, prefix, clock=self.clock)
        (tmp_path / "mine").mkdir(parents=True)
        key = load_or_create_writer(tmp_path / "mine" / "writer.key").public
        self.theirs.trust.add_writer(self.theirs.writer, key, NOW)
        self.mine = BucketTruth(tmp_path / "mine", server.url, prefix, limits, clock=self.clock)
        self.mine.store.prove()
        self.theirs.create()
        self.theirs.commit(a_channel("production", public=True))
        self.bundle = a_published(self.theirs, "1.0.2")
        self.theirs.commit(PublishBundle(bundle=self.bundle), at=time.time())
        self.theirs.commit(DeleteBundle(version="1.0.2"), at=time.time())
        self.theirs.commit(CreateChannel(name="later", settings=a_channel().settings), at=time.time() + 99 * DAY)

    def collect(self):
        collector = Collector(
            self.mine.store,
            lambda: read_trust(self.mine.store, self.mine.top, compare=True),
            now=self.clock(),
            retention_seconds=90 * DAY,
        )
        return collector.run(dry_run=False, reach=lambda *progress: None)

    def publish(self):
        """The same files under another name; what is missing is uploaded. Raises EdgeError."""
        bundle = replace(a_published(self.theirs, "1.0.2"), version="1.0.3")
        self.theirs.commit(PublishBundle(bundle=bundle))

    @property
    def lost(self):
        """What the latest revision names and the bucket does not have."""
        if "1.0.3" not in self.theirs.releases.load(APP).bundles:
            return []
        return [key for key in KEYS if self.theirs.store.bucket.head(key) is None]

    def published_in_the_end(self):
        """Whoever is refused tries again, for as long as a killed collection's turn may last."""
        for _ in range(4):
            with suppress(EdgeError):
                self.publish()
                return True
            self.clock.now += (LEASE_SECONDS + SKEW_SECONDS) / 3
        return False


CONTENTS = (b"zip 1.0.2", a_manifest("1.0.2"), *the_files("1.0.2"))
KEYS = [blob_key(hashlib.sha256(each).hexdigest()) for each in CONTENTS]


def is_step(method, path):
    """Whether the request changes the bucket, or the state of the collection: between two of them nothing differs."""
    return method not in ("GET", "HEAD") or "collection.json" in path


class At:
    """Chooses the step of this number, once."""

    def __init__(self, number):
        self.left = number

    def __call__(self, method, path):
        self.left -= is_step(method, path)
        return self.left == 0 and is_step(method, path)


def test_a_collection_that_is_killed_at_any_step_takes_nothing_that_is_published_after_it(
    moto_address, before_moto, tmp_path
):
    for step in range(1, STEPS_LIMIT):
        before_moto.gone, at = False, At(step)
        world = Attacked(moto_address, before_moto, tmp_path / str(step))

        def kill(method, path, at=at):
            """The last that the process did; nobody hears of it."""
            before_moto.gone = at(method, path)
            return before_moto.gone

        before_moto.concerns = kill
        before_moto.script.append("lose_answer")
        with suppress(EdgeError):
            world.collect()
        before_moto.script.clear()
        if at.left > 0:
            break
        assert world.published_in_the_end() and world.lost == [], f"killed at step {step}"
    assert step > LEAST_STEPS


def test_what_is_published_at_any_step_of_a_collection_stays(moto_address, before_moto, tmp_path):
    done = []
    for step in range(1, STEPS_LIMIT):
        at = At(step)
        world = Attacked(moto_address, before_moto, tmp_path / str(step))

        def publish(method, path, at=at, world=world, step=step):
            if at(method, path):
                with suppress(EdgeError):
                    world.publish()
                    done.append(step)
            return False

        before_moto.concerns = publish
        before_moto.script.append("drop")  # which nothing takes
        world.collect()
        before_moto.script.clear()
        if at.left > 0:
            break
        assert world.lost == [], f"published at step {step}"
        assert world.published_in_the_end() and world.lost == []
    assert len(done) < step - 1 and step > LEAST_STEPS, "some are refused, and try again"
    assert done, "nothing was ever published meanwhile"

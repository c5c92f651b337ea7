"""Several publishers at once, as threads and as processes: every change lands exactly once or is refused clearly."""

import threading
from collections import Counter

import pytest
from factories import NOW
from truths import Truth, a_channel, apps_of_one_shard, exit_code, fork

from edge.domain.changes.commands import Change
from edge.domain.errors import Conflict
from edge.store.heads import shard_of
from edge.store.key_set import open_trust
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer

PUBLISHERS = 4
CHANGES = 10  # of each publisher, to each app
APPS = apps_of_one_shard(3)


@pytest.fixture
def truth(tmp_path):
    truth = Truth(tmp_path / "node")
    for app in APPS:
        truth.create(app)
    return truth


def publish_many(releases, publisher, landed, apps=APPS):
    """Commit this publisher's changes, each to every app, and note what landed."""
    for n in range(CHANGES):
        for app in apps:
            name = f"channel-{publisher}-{n}"
            change = Change(id=name, at=NOW, by=publisher, command=a_channel(name))
            try:
                releases.commit(app, change)
            except Conflict as error:
                assert error.code == "busy"  # the clear conflict
            else:
                landed(app, name)


def as_threads(publishers):
    """Run calls at once; what one raises rises here."""
    raised, barrier = [], threading.Barrier(len(publishers))

    def run(publisher):
        barrier.wait()
        try:
            publisher()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(publisher,)) for publisher in publishers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not raised, raised


def as_processes(publishers):
    processes = [fork(publisher) for publisher in publishers]
    assert [exit_code(process) for process in processes] == [0] * len(publishers)


def assert_exactly_once(truth, landed, apps=APPS):
    """The chain is whole, and it holds what was acknowledged, once, and nothing else."""
    releases = Truth(truth.top).releases
    for app in apps:
        lines = releases.history(app, 10**6)
        assert [line.number for line in lines] == list(range(len(lines), 0, -1))
        made = Counter(line.change_id for line in lines if line.kind == "create_channel")
        assert made == Counter(landed[app])
        assert set(releases.load(app).channels) == set(landed[app])
    assert releases.problems == {}


def test_threads_of_one_process(truth):
    landed = {app: [] for app in APPS}
    calls = [
        lambda n=n: publish_many(truth.releases, f"thread{n}", lambda app, name: landed[app].append(name))
        for n in range(PUBLISHERS)
    ]
    as_threads(calls)
    assert_exactly_once(truth, landed)
    assert sum(map(len, landed.values())) == PUBLISHERS * CHANGES * len(APPS)  # one process takes turns: none is busy
    assert truth.releases.refused == {}


def test_threads_that_share_nothing_but_the_store(truth):
    landed = {app: [] for app in APPS}
    calls = [
        lambda n=n: publish_many(Truth(truth.top).releases, f"thread{n}", lambda app, name: landed[app].append(name))
        for n in range(PUBLISHERS)
    ]
    as_threads(calls)
    assert_exactly_once(truth, landed)


def test_two_processes_with_keys_of_their_own_and_several_threads(truth, tmp_path):
    added = load_or_create_writer(tmp_path / "added.key")
    truth.trust.add_writer(truth.writer, added.public, NOW)
    (tmp_path / "added").mkdir()

    def process(writer, node_dir, name):
        def run():
            releases = Releases(truth.store, writer, open_trust(truth.store, node_dir, NOW, writer))
            with open(tmp_path / name, "a", buffering=1) as log:
                as_threads(
                    [
                        lambda n=n: publish_many(releases, f"{name}-{n}", lambda *what: print(*what, file=log))
                        for n in range(PUBLISHERS // 2)
                    ]
                )
            assert releases.refused == {}

        return run

    as_processes([process(truth.writer, truth.top, "one"), process(added, tmp_path / "added", "two")])
    landed = {app: [] for app in APPS}
    for name in ("one", "two"):
        for line in (tmp_path / name).read_text().splitlines():
            app, channel = line.split()
            landed[app].append(channel)
    assert_exactly_once(truth, landed)
    assert all(landed.values())


def test_the_same_change_from_many_lands_once(truth):
    app = APPS[0]
    change = Change(id="the-one", at=NOW, by="test", command=a_channel("the-one"))
    answers = []
    as_threads([lambda: answers.append(Truth(truth.top).releases.commit(app, change)) for _ in range(PUBLISHERS)])
    assert sorted(answer.changed for answer in answers) == [False] * (PUBLISHERS - 1) + [True]
    assert len({answer.head for answer in answers}) == 1
    assert_exactly_once(truth, {app: ["the-one"]}, [app])


def test_an_app_is_created_by_one_of_many(tmp_path):
    truth, created, refused = Truth(tmp_path / "node"), [], []

    def create():
        other = Truth(truth.top)
        try:
            other.create(APPS[0])
        except Conflict as error:
            refused.append(error.code)
        else:
            created.append(other)

    as_threads([create] * PUBLISHERS)
    assert (len(created), refused) == (1, ["app_exists"] * (PUBLISHERS - 1))


def test_freshness_is_proved_while_others_publish(truth):
    landed = {app: [] for app in APPS}
    prover = Truth(truth.top).releases
    calls = [
        lambda: publish_many(truth.releases, "publisher", lambda app, name: landed[app].append(name)),
        lambda: [prover.refresh(NOW + 1_000 * n) for n in range(5)],
    ]
    as_threads(calls)
    assert_exactly_once(truth, landed)
    assert prover.refused == {}
    assert set(prover.heads()) == set(APPS)
    assert len({shard_of(app) for app in APPS}) == 1

"""Any mixture of old copies of a store's parts, put back while the node is stopped: nothing of the past comes back."""

import shutil
from typing import NamedTuple

import pytest
from factories import APP, NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from token_making import admin, make_token
from truths import Truth, a_channel, publish

from edge.control.access.roles import Role
from edge.control.access.tokens import Tokens
from edge.domain.changes.commands import DeleteBundle, PublishBundle, Undo, WithdrawBundle
from edge.domain.errors import Conflict, EdgeError, Unauthorized
from edge.store.acceptance import AcceptedBy
from edge.store.heads import shard_of

PARTS = ("heads", "apps", "access", "keys")
OTHER = next(f"com.example.app{n}" for n in range(99) if shard_of(f"com.example.app{n}") != shard_of(APP))
MISSING = -1


class Grown(NamedTuple):
    """A node's directory, and copies of its store from its first day to its last. `content` is by version name."""

    top: object
    copies: list
    withdrawn: set
    content: dict
    revoked: list
    valid: str


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    top = tmp_path_factory.mktemp("grown")
    truth, copies = Truth(top / "node"), []
    tokens = Tokens(truth.store, truth.trust, truth.writer)
    number = iter(range(99))

    def step(command, app=APP):
        truth.commit(command, app, id=f"step-{next(number)}")

    def copy():
        copies.append(top / f"copy-{len(copies)}")
        shutil.copytree(truth.store.root, copies[-1])

    def token(name, role=Role.PUBLISHER):
        return make_token(tokens, name, role, now=NOW)

    valid, revoked = token("root", Role.ADMIN), [token("one")]
    truth.create()
    step(a_channel(public=True))
    publish(truth, "1.0.1", id="p1")
    copy()
    publish(truth, "1.0.2", id="p2")
    revoked.append(token("two"))
    copy()
    step(WithdrawBundle(version="1.0.2", reason="it crashes"))
    tokens.revoke("one", admin())
    truth.create(OTHER)
    step(a_channel(), OTHER)
    copy()
    publish(truth, "1.0.3", id="p3")
    publish(truth, "1.0.4", id="p4")
    step(Undo(revision=truth.releases.head(APP).revision))
    step(WithdrawBundle(version="1.0.3", reason="it is slow"))
    step(DeleteBundle(version="1.0.2"))
    tokens.revoke("two", admin())
    truth.releases.refresh(NOW + 100)
    copy()
    state = truth.releases.load(APP)
    content = {version: each.content for version, each in (*state.bundles.items(), *state.retired.items())}
    assert set(content) == {"1.0.1", "1.0.2", "1.0.3", "1.0.4"}
    return Grown(top / "node", copies, {"1.0.2", "1.0.3"}, content, revoked, valid)


mixtures = st.fixed_dictionaries({part: st.integers(MISSING, 3) for part in PARTS})


def put_back(grown, folder, mixture):
    shutil.copytree(grown.top, folder)
    for part, copy in mixture.items():
        shutil.rmtree(folder / "store" / part)
        if copy != MISSING:
            shutil.copytree(grown.copies[copy] / part, folder / "store" / part)
    return Truth(folder)


def check_nothing_came_back(grown, truth, tokens):
    for secret in grown.revoked:
        with pytest.raises(Unauthorized):
            tokens.authenticate(secret, NOW)
    assert tokens.authenticate(grown.valid, NOW).name == "root"
    served = {} if shard_of(APP) in truth.releases.unserved else offered(truth)
    assert not {version for version, bundle in served.items() if not bundle.withdrawn} & grown.withdrawn


def offered(truth):
    try:
        return truth.releases.load(APP).bundles
    except EdgeError:  # its revision is missing, so its devices are told nothing new
        return {}


def check_no_name_gets_other_files(grown, truth):
    publish(truth, "1.0.9", id="p9")
    bundle = truth.releases.load(APP).bundles["1.0.9"]
    for version in grown.content:
        changed = {name: getattr(bundle, name) for name in bundle.__dataclass_fields__} | {"version": version}
        with pytest.raises(Conflict):
            truth.commit(PublishBundle(bundle=type(bundle)(**changed)), id=f"other-{version}")


@pytest.mark.long
@settings(max_examples=20)
@given(mixture=mixtures)
def test_no_mixture_of_old_copies_brings_anything_back(grown, tmp_path_factory, mixture):
    folder = tmp_path_factory.mktemp("restored") / "node"
    truth = put_back(grown, folder, mixture)
    tokens = Tokens(truth.store, truth.trust, truth.writer)
    truth.releases.heads()
    check_nothing_came_back(grown, truth, tokens)
    with_newest = {part for part, copy in mixture.items() if copy == 3}
    assert (set(PARTS) - with_newest == set()) <= (truth.releases.problems == {})
    truth.releases.put_keys_back(dry=False)
    tokens.accept_restored(dry=False)
    truth.releases.accept_restored(AcceptedBy("accept", NOW + 200, "root"), dry=False)
    assert (truth.releases.problems, tokens.problem, truth.trust.problem) == ({}, "", "")
    for each, their in ((truth, tokens), (again := Truth(folder), Tokens(again.store, again.trust, again.writer))):
        check_nothing_came_back(grown, each, their)
    head = again.releases.last_head(APP)
    assert head.revision >= 9
    if head.deleted:  # nothing of it was left
        again.create()
        again.commit(a_channel(), id="production")
    check_no_name_gets_other_files(grown, again)
    shutil.rmtree(folder)

"""Tokens of an origin on a bucket: held against what is here, revoked here at once and elsewhere with the next look."""

import pytest
from bucket_truth import two_origins
from factories import NOW
from token_making import admin, make_token

from edge.control.access.roles import Role
from edge.control.access.tokens import new_secret
from edge.domain.errors import Unauthorized


@pytest.fixture
def origins(before_moto, tmp_path):
    """Whose tokens are the first one's."""
    mine, theirs = two_origins(tmp_path, before_moto.url)
    mine.tokens.register_first(new_secret(), NOW)
    return mine, theirs


def make(origin, name="ci"):
    return make_token(origin.tokens, name, Role.READER, now=NOW)


async def test_a_token_that_another_origin_made_and_revoked_follows_the_copy_at_no_request(origins):
    mine, theirs = origins
    secret = make(theirs)
    await mine.follow()
    before = mine.requests
    assert mine.tokens.authenticate(secret, NOW).name == "ci"
    theirs.tokens.revoke("ci", admin())
    await mine.follow()
    with pytest.raises(Unauthorized):
        mine.tokens.authenticate(secret, NOW)
    assert mine.requests == before


async def test_a_token_that_this_origin_revokes_is_refused_at_once_wherever_its_copy_is(origins):
    mine, theirs = origins
    secret = make(theirs)
    await mine.follow()
    make(theirs, "later")  # the copy has not heard of it
    mine.tokens.revoke("ci", admin())
    with pytest.raises(Unauthorized):
        mine.tokens.authenticate(secret, NOW)
    assert {"later"} == set(mine.tokens.records()) - {"admin"}


async def test_tokens_are_known_while_the_bucket_is_gone_and_after_a_restart(origins, before_moto):
    mine, theirs = origins
    secret = make(theirs)
    await mine.follow()
    before_moto.gone = True
    assert mine.tokens.authenticate(secret, NOW).name == "ci" and mine.tokens.problem == ""
    mine.tokens.look(NOW)
    assert "does not answer" in mine.tokens.problem
    assert mine.tokens.authenticate(secret, NOW).name == "ci"


async def test_the_use_of_a_token_is_noted_by_a_look_and_by_no_request(origins):
    mine, _ = origins
    secret = make(mine)
    before = mine.requests
    mine.tokens.authenticate(secret, NOW)
    assert mine.requests == before and mine.tokens.records()["ci"].used_day == 0
    mine.tokens.look(NOW)
    assert mine.tokens.records()["ci"].used_day == NOW // 86_400
    before = mine.requests
    mine.tokens.authenticate(secret, NOW)
    mine.tokens.look(NOW)
    assert mine.requests == before + 2  # the tokens, and the people who hold roles as tokens do


async def test_a_damaged_copy_of_the_tokens_lets_nobody_in_that_is_not_known(origins):
    mine, _ = origins
    secret = make(mine)
    mine.directory.mirror.path("access/tokens.json").write_bytes(b"{}")
    assert mine.tokens.authenticate(secret, NOW).name == "ci"
    with pytest.raises(Unauthorized):
        mine.tokens.authenticate("edge_" + "x" * 43, NOW)

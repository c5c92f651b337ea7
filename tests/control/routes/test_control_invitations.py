"""What people sign in with, over the API; and people at the command line."""

import pytest
from control_world import NOW, Api
from login_world import ANNA, BEN, PASSWORD, ROOT

from edge.control.access.people_document import HeldRole
from edge.control.login.accounts import SignedIn
from edge.control.login.credential_document import INVITATION_SECONDS, TERMINAL_SECONDS, with_password
from edge.control.login.terminals import make_terminal


@pytest.fixture
def logins(world):
    return world.logins.fill()


@pytest.fixture
def terminal(logins, world):
    """The secret of a token for the command line, of a person."""

    def make(mail, groups=(), now=NOW):
        logins.accounts.with_handle(mail)
        era = logins.accounts.credentials(mail).era
        secret, _ = make_terminal(logins.accounts, SignedIn(mail, era, "oidc", frozenset(groups)), "laptop", now)
        world.secrets[mail] = secret
        return secret

    return make


async def test_an_invitation_is_made_once_and_shown_once(api, logins):
    made = await api("POST", f"/v1/people/{ANNA}/invitation")
    assert made["path"].startswith("/welcome?invitation=") and made["expires"] == NOW + INVITATION_SECONDS
    shown = await api("GET", f"/v1/people/{ANNA}/credentials")
    assert shown["invited_until"] == made["expires"] and shown["password_set"] is None
    assert made["path"].partition("=")[2] not in str(shown)
    assert await api("POST", "/v1/people/nobody@example.com/invitation", status=404) == "unknown_person"
    assert await api("POST", "/v1/people/nobody/invitation", status=422) == "invalid_person_name"


async def test_who_may_less_than_a_person_does_not_become_the_person(api, logins, terminal):
    """An admin of an organisation invites nobody who may more."""
    logins.people.create_organisation(ROOT, "acme", NOW)
    logins.add(BEN.replace("ben", "boss"), None)
    logins.people.grant_role(ROOT, "boss@example.com", HeldRole("admin", "org:acme"))
    terminal("boss@example.com")
    refused = await api("POST", f"/v1/people/{ANNA}/invitation", by="boss@example.com", status=403)
    assert refused == "forbidden" and logins.accounts.credentials(ANNA).invitation is None
    assert await api("POST", f"/v1/people/{ANNA}/sign-out", by="boss@example.com", status=403) == "forbidden"
    assert await api("GET", f"/v1/people/{ANNA}/credentials", by="boss@example.com", status=403) == "forbidden"
    logins.people.revoke_role(ROOT, BEN, HeldRole("viewer", "everything"))
    logins.people.grant_role(ROOT, BEN, HeldRole("viewer", "org:acme"))
    assert (await api("POST", f"/v1/people/{BEN}/invitation", by="boss@example.com"))["person"] == BEN


@pytest.fixture
def boss(logins, terminal):
    """An admin of organisation acme alone, at the command line."""
    mail = "boss@example.com"
    logins.people.create_organisation(ROOT, "acme", NOW)
    logins.add(mail, None)
    logins.people.grant_role(ROOT, mail, HeldRole("admin", "org:acme"))
    terminal(mail)
    return mail


async def test_who_invited_a_person_gains_nothing_by_what_the_person_is_given_later(api, logins, boss):
    """Whoever made the link may have opened it, and wait for the person to become an admin."""
    cora, path = "cora@example.com", "/v1/people/cora@example.com"
    await api("POST", "/v1/people", {"mail": cora, "holds": []}, by=boss)
    await api("POST", f"{path}/invitation", by=boss)
    here, more = {"role": "viewer", "scope": "org:acme"}, {"role": "admin", "scope": "everything"}
    await api("POST", f"{path}/grant", here)  # what its inviter could have given
    assert await api("POST", f"{path}/grant", more, status=409) == "invited_by_other"
    logins.accounts.change(lambda document: with_password(document, cora, "sealed", NOW))  # by the invitation
    assert await api("POST", f"{path}/grant", more, status=409) == "invited_by_other"
    await api("POST", f"{path}/invitation")
    assert logins.accounts.credentials(cora).password == ""
    await api("POST", f"{path}/grant", more)


async def test_who_may_do_everything_invites_for_good(api, logins, terminal):
    terminal(ANNA)
    await api("POST", f"/v1/people/{BEN}/invitation", by=ANNA)
    logins.remove(ANNA)
    await api("POST", f"/v1/people/{BEN}/grant", {"role": "admin", "scope": "everything"})


async def test_who_holds_roles_by_groups_alone_is_in_reach_of_no_other_organisation(api, logins, boss):
    cora = "cora@example.com"
    logins.add(cora, None)
    for method, what in (("POST", "/invitation"), ("POST", "/sign-out"), ("GET", "/credentials"), ("DELETE", "")):
        assert await api(method, f"/v1/people/{cora}{what}", by=boss, status=403) == "forbidden"
    dora = "dora@example.com"
    await api("POST", "/v1/people", {"mail": dora, "holds": []}, by=boss)
    await api("DELETE", f"/v1/people/{dora}", by=boss)


async def test_a_person_at_the_command_line_is_the_author(api, logins, terminal):
    terminal(ANNA)
    own = await api("GET", "/v1/token", by=ANNA)
    assert (own["name"], own["role"], own["expires"]) == (ANNA, "admin", NOW + TERMINAL_SECONDS)
    await api("POST", "/v1/apps", {"app": "com.acme.people"}, by=ANNA)
    history = await api("GET", "/v1/apps/com.acme.people/history")
    assert {each["by"] for each in history} == {ANNA}
    assert await api("POST", "/v1/login-links", by=ANNA, status=404) == "unknown_token"


async def test_what_the_person_may_is_looked_up_each_time(api, logins, terminal):
    terminal(BEN, groups=("releases",))
    assert "change_channels" in (await api("GET", "/v1/token", by=BEN))["permissions"]
    logins.people.unmap_group(ROOT, "releases", HeldRole("releaser", "everything"))
    assert "change_channels" not in (await api("GET", "/v1/token", by=BEN))["permissions"]
    logins.remove(BEN)
    assert await api("GET", "/v1/token", by=BEN, status=401) == "unauthorized"


async def test_a_token_of_a_person_ends(api, logins, terminal):
    terminal(BEN, now=NOW - TERMINAL_SECONDS)
    assert await api("GET", "/v1/token", by=BEN, status=401) == "token_expired"
    terminal(BEN)
    await api("POST", f"/v1/people/{BEN}/sign-out")
    assert await api("GET", "/v1/token", by=BEN, status=401) == "unauthorized"


async def test_who_is_removed_leaves_nothing_to_sign_in_with(api, logins, terminal):
    await logins.login.passwords.set(BEN, PASSWORD, NOW)
    terminal(BEN)
    await api("DELETE", f"/v1/people/{BEN}")
    assert not logins.accounts.credentials(BEN).any
    await api("POST", "/v1/people", {"mail": BEN, "holds": [{"role": "viewer", "scope": "everything"}]})
    assert await api("GET", "/v1/token", by=BEN, status=401) == "unauthorized"
    assert (await api("GET", f"/v1/people/{BEN}/credentials"))["password_set"] is None


async def test_a_node_that_follows_keeps_no_credentials(serve, world, logins):
    api: Api = await serve(origin="https://origin.example.com")
    assert await api("POST", f"/v1/people/{BEN}/invitation", status=409) == "not_the_origin"


async def test_secrets_that_look_like_a_persons_are_refused_alike(api, logins, world):
    world.secrets["forged"] = "edge_person_" + "x" * 43
    assert await api("GET", "/v1/token", by="forged", status=401) == "unauthorized"

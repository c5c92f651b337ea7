"""What people sign in with, over the API; and people at the command line."""

import pytest
from control_world import NOW, Api
from login_world import ANNA, BEN, PASSWORD, ROOT

from edge.control.access.people_document import HeldRole
from edge.control.login.accounts import SignedIn
from edge.control.login.credential_document import INVITATION_SECONDS, TERMINAL_SECONDS, with_password
from edge.control.login.terminals import make_terminal

OF_A_PERSON = (("POST", "/invitation"), ("POST", "/sign-out"), ("GET", "/credentials"), ("DELETE", ""))


@pytest.fixture
def logins(world):
    return world.logins.fill()


@pytest.fixture
def terminal(logins, world):
    """The secret of a token for the command line, of a person."""

    def make(mail, groups=(), now=NOW):
        logins.accounts.with_handle(mail)
        if groups:
            logins.at_provider(mail, groups)
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
    for mail in (ANNA, "nobody@example.com"):  # who is none of its business is nobody
        for method, what in OF_A_PERSON:
            assert await api(method, f"/v1/people/{mail}{what}", by="boss@example.com", status=404) == "unknown_person"
        role = {"role": "viewer", "scope": "org:acme"}
        assert (
            await api("POST", f"/v1/people/{mail}/revoke", role, by="boss@example.com", status=404) == "unknown_person"
        )
    assert logins.accounts.credentials(ANNA).invitation is None
    logins.people.grant_role(ROOT, ANNA, HeldRole("viewer", "org:acme"))
    for method, what in OF_A_PERSON:
        assert await api(method, f"/v1/people/{ANNA}{what}", by="boss@example.com", status=403) == "forbidden"
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
    for method, what in OF_A_PERSON:
        assert await api(method, f"/v1/people/{cora}{what}", by=boss, status=404) == "unknown_person"
    dora = "dora@example.com"
    await api("POST", "/v1/people", {"mail": dora, "holds": []}, by=boss)
    await api("DELETE", f"/v1/people/{dora}", by=boss)


async def test_an_own_role_grows_for_nobody_whose_inviter_could_not_give_that(api, logins, boss):
    """Nor by the way of an app that gets another owner, nor once the inviter is somebody else."""
    cora, here = "cora@example.com", {"scope": "org:acme"}
    role = {"permissions": ["read_app", "manage_people"]}
    await api("PUT", "/v1/roles/steward", role)
    await api("POST", f"/v1/people/{boss}/grant", here | {"role": "steward"})
    await api("POST", f"/v1/people/{boss}/revoke", here | {"role": "admin"})
    await api("POST", "/v1/people", {"mail": cora, "holds": [here | {"role": "steward"}]}, by=boss)
    await api("POST", f"/v1/people/{cora}/invitation", by=boss)
    await api("PUT", "/v1/organisations/acme/apps/com.acme.app", None)  # as much as the inviter gets
    await api("POST", f"/v1/people/{boss}/revoke", here | {"role": "steward"})
    assert await api("PUT", "/v1/organisations/acme/apps/com.acme.more", None, status=409) == "invited_by_other"
    await api("PUT", "/v1/organisations/default/apps/com.acme.app", None)  # takes, and gives nobody anything
    more = {"permissions": [*role["permissions"], "roll_back"]}
    assert await api("PUT", "/v1/roles/steward", more, status=409) == "invited_by_other"
    await api("PUT", "/v1/roles/steward", {"permissions": ["manage_people"]})
    await api("POST", f"/v1/people/{boss}/grant", here | {"role": "admin"})
    await api("PUT", "/v1/roles/steward", more)
    await api("POST", f"/v1/people/{boss}/invitation")  # whoever was boss then may be another
    grown = {"permissions": [*more["permissions"], "change_guard"]}
    assert await api("PUT", "/v1/roles/steward", grown, status=409) == "invited_by_other"
    await api("POST", f"/v1/people/{cora}/invitation")
    await api("PUT", "/v1/roles/steward", grown)


async def test_a_role_by_a_group_keeps_a_person_out_of_another_organisations_reach(api, logins, boss):
    logins.at_provider(BEN, ["releases"])
    await api("POST", f"/v1/people/{BEN}/revoke", {"role": "viewer", "scope": "everything"})
    await api("POST", f"/v1/people/{BEN}/grant", {"role": "viewer", "scope": "org:acme"}, by=boss)
    for method, what in OF_A_PERSON:
        assert await api(method, f"/v1/people/{BEN}{what}", by=boss, status=403) == "forbidden"
    logins.at_provider(BEN, [])
    await api("POST", f"/v1/people/{BEN}/invitation", by=boss)


async def test_an_organisations_admin_knows_its_own_people_alone(api, logins, boss):
    await api("POST", "/v1/organisations", {"name": "other"})
    await api("POST", "/v1/people", {"mail": "olaf@example.com", "holds": [{"role": "admin", "scope": "org:other"}]})
    logins.add("nobody@example.com", None)
    await api("POST", "/v1/people", {"mail": "cora@example.com", "holds": []}, by=boss)
    await api("POST", "/v1/people", {"mail": "peer@example.com", "holds": [{"role": "admin", "scope": "org:acme"}]})
    listed = [each["mail"] for each in await api("GET", "/v1/people", by=boss)]
    assert listed == [boss, "cora@example.com", "peer@example.com"]
    assert await api("GET", "/v1/people/nobody@example.com", by=boss, status=404) == "unknown_person"
    assert {"nobody@example.com", "olaf@example.com"} <= {each["mail"] for each in await api("GET", "/v1/people")}
    # A small role does not make somebody's person one's own.
    logins.people.add_person(logins.accounts.grant("olaf@example.com"), "nils@example.com", "", [], NOW)
    await api("POST", "/v1/people/nils@example.com/grant", {"role": "viewer", "scope": "org:acme"}, by=boss)
    assert await api("POST", "/v1/people/nils@example.com/invitation", by=boss, status=403) == "forbidden"
    taken = await api("POST", "/v1/people/nils@example.com/revoke", {"role": "viewer", "scope": "org:acme"}, by=boss)
    assert taken["holds"] == [] and await api("GET", "/v1/people/nils@example.com", by=boss, status=404)


async def test_a_token_gives_no_more_than_the_person_who_made_it_may(api, logins, terminal, world):
    """However long it was to work: the login that made it lasts for half a day."""
    terminal(ANNA)
    made = await api("POST", "/v1/tokens", {"name": "ci", "role": "admin"}, by=ANNA)
    world.secrets["ci"] = made["token"]
    world.secrets["its"] = (await api("POST", "/v1/tokens", {"name": "its", "role": "releaser"}, by="ci"))["token"]
    assert "manage_people" in (await api("GET", "/v1/token", by="ci"))["permissions"]
    await api("POST", f"/v1/people/{ANNA}/grant", {"role": "uploader", "scope": "app:com.acme.app"})
    await api("POST", f"/v1/people/{ANNA}/revoke", {"role": "admin", "scope": "everything"})
    for name, role in (("ci", "admin"), ("its", "releaser")):
        own = await api("GET", "/v1/token", by=name)
        assert [(each["role"], each["scope"]) for each in own["holds"]] == [(role, "app:com.acme.app")]
        assert {"upload_bundles", "roll_back", "manage_people"} & set(own["permissions"]) == {"upload_bundles"}
    gone = await api("DELETE", f"/v1/people/{ANNA}")
    assert gone["tokens"] == ["ci", "its"]
    logins.people.add_person(ROOT, ANNA, "", [HeldRole("admin", "everything")], NOW + 1)
    for name in ("ci", "its"):
        assert await api("GET", "/v1/token", by=name, status=401) == "maker_gone"
    listed = {each["name"]: each for each in await api("GET", "/v1/tokens")}
    assert (listed["its"]["person"], listed["its"]["gives"]) == (ANNA, "nothing")
    await api("POST", "/v1/tokens/ci/rotate", {"keep_seconds": 3_600})
    assert await api("GET", "/v1/token", by="ci", status=401) == "maker_gone", "the former secret is hers still"


async def test_what_a_group_gives_goes_into_no_token(api, logins, terminal):
    logins.people.map_group(ROOT, "chiefs", HeldRole("admin", "everything"))
    terminal(BEN, groups=("chiefs",))
    asked = {"name": "ci", "role": "uploader"}
    assert await api("POST", "/v1/tokens", asked, by=BEN, status=403) == "by_group_alone"
    logins.people.grant_role(ROOT, BEN, HeldRole("admin", "everything"))
    await api("POST", "/v1/tokens", asked, by=BEN)


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
    logins.people.map_group(ROOT, "releases", HeldRole("releaser", "everything"))
    assert "change_channels" in (await api("GET", "/v1/token", by=BEN))["permissions"]
    logins.at_provider(BEN, [])  # the next login, or what the page asked again meanwhile
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


async def test_a_role_for_what_is_not_there_is_given_and_told(api, logins, world):
    await api("POST", "/v1/apps", {"app": "com.acme.app"})
    path = f"/v1/people/{BEN}/grant"
    for scope, absent in (("app:com.acme.app", []), ("app:com.acme.typo", ["app:com.acme.typo"])):
        assert (await api("POST", path, {"role": "viewer", "scope": scope}))["absent"] == absent
        assert (await api("POST", "/v1/groups/grant", {"group": "g", "role": "viewer", "scope": scope}))[
            "absent"
        ] == absent
        asked = {"name": "ci", "role": "uploader", "scopes": [scope, "org:default", f"{scope}/beta"]}
        made = await api("POST", "/v1/tokens", asked, headers={"Idempotency-Key": scope.removeprefix("app:")})
        assert made["absent"] == [*absent, f"{scope}/beta"]
        await api("DELETE", "/v1/tokens/ci")


async def test_a_device_is_named_in_the_history_only_to_who_may_look_it_up(api, logins, terminal):
    app, device = "/v1/apps/com.acme.app", "00009a6b-eefe-490a-9c60-8e965132ae51"
    await api("POST", "/v1/apps", {"app": "com.acme.app"})
    await api("POST", f"{app}/channels", {"name": "beta"})
    await api("PUT", f"{app}/overrides/{device}", {"channel": "beta"})
    await api("DELETE", f"{app}/overrides/{device}")
    terminal(BEN)
    shown = [each["summary"] for each in await api("GET", f"{app}/history?limit=2", by=BEN)]
    assert shown == ["device=(hidden)", "device=(hidden) channel=beta"]
    assert device in (await api("GET", f"{app}/history?limit=1"))[0]["summary"]

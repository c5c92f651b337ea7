"""People: what they may do by their roles and groups, and that nobody gives, keeps or takes more than he may."""

from itertools import product

import pytest
from factories import NOW
from token_making import admin

from edge.control.access.grants import Grant, Hold, bounded
from edge.control.access.judging.giving import organisation_for
from edge.control.access.people import People
from edge.control.access.people_document import HOLD_LIMIT, HeldRole, owner_of
from edge.control.access.roles import CARRIED, FOR_ALL, GRANTED, Permission, Role
from edge.control.access.scopes import (
    EVERYTHING,
    AppScope,
    ChannelScope,
    OrganisationScope,
    parse_scope_text,
)
from edge.domain.errors import Conflict, Forbidden, Invalid, NotFound
from edge.domain.model import AppId
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.signing import load_or_create_writer

P = Permission
APP, OTHER = AppId("com.acme.app"), AppId("com.other.app")
ROOT = admin("root")
ANNA = "anna@example.com"


@pytest.fixture
def world(tmp_path):
    store, node_dir = FsStore(tmp_path / "store"), tmp_path / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    return store, open_trust(store, node_dir, NOW, writer), writer


@pytest.fixture
def people(world):
    """With organisation acme, which owns APP; nobody owns OTHER."""
    known = People(*world)
    known.create_organisation(ROOT, "acme", NOW)
    known.give_app(ROOT, "acme", APP)
    return known


def held(role, scope="everything"):
    return HeldRole(role, scope)


def add(people, name, *holds, by=ROOT):
    people.add_person(by, name, "", holds, NOW)
    return people.grant_of(name, NOW)


@pytest.fixture
def boss(people):
    """The admin of acme."""
    return add(people, "boss@acme.com", held("admin", "org:acme"))


def test_a_person_may_do_what_the_roles_say_where_they_are_held(people):
    grant = add(people, ANNA, held("releaser", f"app:{APP}/production"), held("viewer", "org:acme"))
    assert grant.name == ANNA
    assert grant.words == f"releaser of channel production of app {APP}, viewer of organisation acme"
    assert grant.may(P.CHANGE_CHANNELS, APP, "production")
    assert not grant.may(P.CHANGE_CHANNELS, APP, "beta") and not grant.may(P.CHANGE_CHANNELS, APP)
    assert grant.may(P.READ_APP, APP) and not grant.may(P.READ_APP, OTHER)
    assert grant.may(P.UPLOAD_BUNDLES, APP), "or nothing new could be offered on the channel"
    assert not grant.may(P.CHANGE_SEGMENTS, APP) and not grant.may(P.READ_NODE)


def test_a_person_has_one_name_however_it_is_written(people):
    people.add_person(ROOT, " Anna@Example.COM ", "", [held("viewer")], NOW)
    assert people.grant_of(ANNA, NOW).name == ANNA
    with pytest.raises(Conflict):
        people.add_person(ROOT, "ANNA@example.com", "", [], NOW)


def test_nobody_is_let_in_without_a_role(people):
    assert people.grant_of("nobody@example.com", NOW) is None
    assert add(people, ANNA) is None


def test_groups_of_a_login_hold_roles(people):
    people.map_group(ROOT, "dev", held("developer", "org:acme"))
    grant = people.grant_of("new@example.com", NOW, ["others", "dev"])
    assert grant.may(P.UPLOAD_BUNDLES, APP) and not grant.may(P.CHANGE_CHANNELS, APP)
    people.unmap_group(ROOT, "dev", held("developer", "org:acme"))
    assert people.grant_of("new@example.com", NOW, ["dev"]) is None


def test_default_owns_what_no_other_owns(people):
    grant = add(people, ANNA, held("viewer", "org:default"))
    assert grant.may(P.READ_APP, OTHER) and not grant.may(P.READ_APP, APP)


def test_a_change_of_a_role_counts_at_once_for_whoever_holds_it(people):
    people.set_role(ROOT, "on-call", ["read_app", "roll_back"], "", NOW)
    assert add(people, ANNA, held("on-call", f"app:{APP}")).may(P.ROLL_BACK, APP, "production")
    people.set_role(ROOT, "on-call", ["read_app"], "", NOW)
    assert not people.grant_of(ANNA, NOW).may(P.ROLL_BACK, APP, "production")


GIVEN_BY_BOSS = [
    (held("releaser", "org:acme"), True),
    (held("admin", "org:acme"), True),
    (held("admin", f"app:{APP}"), True),
    (held("developer", f"app:{APP}/beta"), True),
    (held("viewer"), False),
    (held("admin"), False),
    (held("node"), False),
    (held("viewer", "org:default"), False),
    (held("viewer", f"app:{OTHER}"), False),
    (held("releaser", f"app:{OTHER}/production"), False),
]


@pytest.mark.parametrize(("wanted", "given"), GIVEN_BY_BOSS)
def test_the_admin_of_an_organisation_gives_and_takes_there_alone(people, boss, wanted, given):
    add(people, ANNA)
    people.grant_role(ROOT, "boss@acme.com", held("viewer", f"app:{OTHER}"))
    if given:
        people.grant_role(boss, ANNA, wanted)
        people.revoke_role(boss, ANNA, wanted)
    else:
        with pytest.raises(Forbidden):
            people.grant_role(boss, ANNA, wanted)
        people.grant_role(ROOT, ANNA, wanted)
        with pytest.raises(Forbidden):
            people.revoke_role(boss, ANNA, wanted)
        with pytest.raises(Forbidden):
            people.map_group(boss, "all", wanted)
    assert [each.role for each in people.find(ANNA).holds] == ([] if given else [wanted.role])


def test_who_manages_people_alone_gives_only_what_he_holds(people):
    people.set_role(ROOT, "hr", ["read_app", "manage_people"], "", NOW)
    grant = add(people, "hr@acme.com", held("hr", "org:acme"))
    add(people, ANNA)
    people.grant_role(grant, ANNA, held("viewer", "org:acme"))  # within an organisation nobody reads the node by it
    for wanted in ("admin", "releaser"):
        with pytest.raises(Forbidden):
            people.grant_role(grant, ANNA, held(wanted, "org:acme"))
    with pytest.raises(Forbidden):
        people.grant_role(grant, "hr@acme.com", held("admin", "org:acme"))


def test_an_admin_of_an_app_manages_no_people(people):
    grant = add(people, ANNA, held("admin", f"app:{APP}"))
    assert grant.may(P.DELETE_APP, APP) and not grant.might(P.MANAGE_PEOPLE)
    with pytest.raises(Forbidden):
        people.add_person(grant, "b@example.com", "", [held("viewer", f"app:{APP}")], NOW)
    with pytest.raises(Forbidden):
        people.add_person(grant, "b@example.com", "", [], NOW)


def test_only_who_manages_all_people_makes_organisations_roles_and_owners(people, boss):
    for act in (
        lambda: people.create_organisation(boss, "beta", NOW),
        lambda: people.delete_organisation(boss, "acme"),
        lambda: people.give_app(boss, "acme", OTHER),
        lambda: people.set_role(boss, "mine", ["read_app"], "", NOW),
        lambda: people.delete_role(boss, "mine"),
    ):
        with pytest.raises(Forbidden):
            act()


def test_a_role_is_made_only_of_what_one_holds_everywhere(people):
    people.set_role(ROOT, "hr", ["manage_people", "read_app"], "", NOW)
    grant = add(people, "hr@example.com", held("hr"))
    people.set_role(grant, "reads", ["read_app"], "", NOW)
    for permissions in (["read_app", "roll_back"], ["manage_tokens"]):
        with pytest.raises(Forbidden):
            people.set_role(grant, "reads", permissions, "", NOW)
    people.set_role(ROOT, "power", ["delete_app"], "", NOW)
    with pytest.raises(Forbidden):  # nor may it be weakened by who does not hold it
        people.set_role(grant, "power", ["read_app"], "", NOW)


def test_who_may_not_take_all_that_a_person_holds_may_not_remove_him(people, boss):
    add(people, ANNA, held("viewer", "org:acme"), held("viewer", f"app:{OTHER}"))
    add(people, "b@example.com", held("releaser", "org:acme"))
    with pytest.raises(Forbidden):
        people.remove_person(boss, ANNA)
    assert people.covers(boss, "b@example.com") and not people.covers(boss, ANNA)
    people.remove_person(boss, "b@example.com")
    assert people.grant_of("b@example.com", NOW) is None and people.find(ANNA)


def test_a_role_in_an_app_ends_when_the_app_goes_to_another_organisation(people):
    people.create_organisation(ROOT, "beta", NOW)
    add(people, ANNA, held("releaser", f"app:{APP}"), held("releaser", f"app:{APP}/production"))
    people.give_app(ROOT, "beta", APP)
    assert people.grant_of(ANNA, NOW) is None
    people.grant_role(ROOT, ANNA, held("releaser", f"app:{APP}"))
    assert people.grant_of(ANNA, NOW).may(P.CHANGE_CHANNELS, APP)
    assert len(people.find(ANNA).holds) == 2


def test_a_role_given_ahead_of_an_app_is_nothing_once_another_organisation_creates_it(people):
    new = AppId("com.acme.new")
    watcher = add(people, "squatter@example.com", held("admin", "org:default"))
    add(people, ANNA, held("releaser", f"app:{new}"), by=watcher)
    assert people.grant_of(ANNA, NOW).may(P.CHANGE_CHANNELS, new)
    people.own_created("acme", new)
    assert people.grant_of(ANNA, NOW) is None


def test_an_app_is_created_in_the_callers_own_organisation(people, boss):
    document = people.last_good()
    new = AppId("com.acme.new")
    assert organisation_for(document, boss, new, None) == "acme"
    assert organisation_for(document, ROOT, new, None) == "default"
    assert organisation_for(document, ROOT, APP, None) == "acme", "which owns the id already"
    for grant, app, wanted in ((boss, new, "default"), (ROOT, APP, "default")):
        with pytest.raises(Forbidden):
            organisation_for(document, grant, app, wanted)
    with pytest.raises(Forbidden):  # one of default that was deleted: its devices still ask
        organisation_for(document, boss, OTHER, None, existed=True)
    assert organisation_for(document, ROOT, OTHER, "acme", existed=True) == "acme"
    outsider = add(people, "out@example.com", held("admin", "org:default"))
    with pytest.raises(Forbidden):
        organisation_for(document, outsider, APP, None)


def test_what_is_held_or_owned_is_not_deleted(people):
    people.set_role(ROOT, "mine", ["read_app"], "", NOW)
    add(people, ANNA, held("mine", "org:acme"))
    for act, code in (
        (lambda: people.delete_role(ROOT, "mine"), "role_in_use"),
        (lambda: people.delete_organisation(ROOT, "acme"), "organisation_in_use"),
        (lambda: people.delete_organisation(ROOT, "default"), "organisation_in_use"),
    ):
        with pytest.raises(Conflict) as refused:
            act()
        assert refused.value.code == code
    people.give_app(ROOT, "default", APP)
    people.remove_person(ROOT, ANNA)
    people.delete_role(ROOT, "mine")
    people.delete_organisation(ROOT, "acme")
    assert owner_of(people.last_good(), APP) == "default"


ODD = [
    (lambda p: p.add_person(ROOT, "no mail", "", [], NOW), Invalid, "invalid_person_name"),
    (lambda p: p.add_person(ROOT, "a@b\n", "", [held("x y")], NOW), NotFound, "unknown_role"),
    (lambda p: p.add_person(ROOT, "guard", "", [], NOW), Invalid, "invalid_person_name"),
    (lambda p: p.add_person(ROOT, "a@" + "b" * 200, "", [], NOW), Invalid, "invalid_person_name"),
    (lambda p: p.add_person(ROOT, ANNA, "a\x1b[1mb", [], NOW), Invalid, "invalid_words"),
    (lambda p: p.add_person(ROOT, ANNA, "", [held("viewer", "org:none")], NOW), NotFound, "unknown_organisation"),
    (lambda p: p.add_person(ROOT, ANNA, "", [held("viewer", "all")], NOW), Invalid, "invalid_scope"),
    (lambda p: p.add_person(ROOT, ANNA, "", [held("viewer", "app:-")], NOW), Invalid, "invalid_app_id"),
    (lambda p: p.add_person(ROOT, ANNA, "", [held("viewer", "app:a/ b")], NOW), Invalid, "invalid_channel_name"),
    (lambda p: p.add_person(ROOT, ANNA, "", [held("node", "org:acme")], NOW), Invalid, "invalid_token_scope"),
    (lambda p: p.grant_role(ROOT, ANNA, held("viewer")), NotFound, "unknown_person"),
    (lambda p: p.set_role(ROOT, "admin", ["read_app"], "", NOW), Invalid, "invalid_role_name"),
    (lambda p: p.set_role(ROOT, "Big", ["read_app"], "", NOW), Invalid, "invalid_role_name"),
    (lambda p: p.set_role(ROOT, "mine", ["fly"], "", NOW), Invalid, "unknown_permission"),
    (lambda p: p.set_role(ROOT, "mine", [], "", NOW), Invalid, "invalid_role"),
    (lambda p: p.create_organisation(ROOT, "acme", NOW), Conflict, "organisation_exists"),
    (lambda p: p.create_organisation(ROOT, "default", NOW), Conflict, "organisation_exists"),
    (lambda p: p.create_organisation(ROOT, "a/b", NOW), Invalid, "invalid_organisation_name"),
    (lambda p: p.give_app(ROOT, "none", APP), NotFound, "unknown_organisation"),
]


@pytest.mark.parametrize(("act", "kind", "code"), ODD)
def test_odd_requests_are_refused_and_change_nothing(people, act, kind, code):
    before = people.last_good()
    with pytest.raises(kind) as refused:
        act(people)
    assert refused.value.code == code and people.last_good() == before


def test_the_number_of_roles_of_a_person_is_limited(people):
    add(people, ANNA, *(held("viewer", f"app:com.a{n}") for n in range(HOLD_LIMIT)))
    with pytest.raises(Conflict) as refused:
        people.grant_role(ROOT, ANNA, held("viewer"))
    assert refused.value.code == "too_many_holds"


def test_a_document_that_goes_back_brings_no_removed_person_back(world, people):
    store = world[0]
    add(people, ANNA, held("admin"))
    older = store.get("access/people.json").data
    people.remove_person(ROOT, ANNA)
    add(people, "late@example.com", held("viewer"))
    store.path("access/people.json").write_bytes(older)
    for known in (people, People(*world)):
        assert known.grant_of(ANNA, NOW) is None and known.grant_of("late@example.com", NOW)
        with pytest.raises(Conflict) as refused:
            known.remove_person(ROOT, "late@example.com")
        assert refused.value.code == "older_store"
    accepted = people.accept_restored(dry=False)
    assert (accepted.removed, accepted.brought_back) == ([ANNA], ["late@example.com"])
    people.remove_person(ROOT, "late@example.com")


def test_a_person_is_told_whom_to_ask(people, boss):
    add(people, "root@example.com", held("admin"))
    anna = add(people, ANNA, held("viewer", f"app:{APP}"))
    assert people.whom_to_ask(anna) == ["boss@acme.com", "root@example.com"]
    assert people.whom_to_ask(boss) == ["root@example.com"]
    other = add(people, "b@example.com", held("viewer", f"app:{OTHER}"))
    assert people.whom_to_ask(other) == ["root@example.com"]


def test_every_scope_is_read_as_it_is_written():
    for text in ("everything", "org:acme", f"app:{APP}", f"app:{APP}/feature/x"):
        assert str(parse_scope_text(text)) == text


def test_nobody_holds_nothing():
    assert Grant("x", ()).words == "no role" and not Grant("x", ()).might(P.READ_SELF)


def test_what_is_bounded_gives_only_what_both_give():
    """Every permission, in every place, for every pair of places."""
    acme = OrganisationScope("acme", frozenset({APP}))
    places = [EVERYTHING, acme, OrganisationScope("default", frozenset({APP}), all_but=True)]
    places += [AppScope(APP), AppScope(OTHER), ChannelScope(APP, "beta"), ChannelScope(APP, "production")]
    asked = [(None, None), (APP, None), (OTHER, None), (APP, "beta"), (APP, "production"), (OTHER, "beta")]
    for one, other in product(places, places):
        holds = Hold("admin", GRANTED[Role.ADMIN], one), Hold("releaser", GRANTED[Role.RELEASER], other)
        both = Grant("ci", bounded(holds[:1], holds[1:]))
        for permission, (app, channel) in product(Permission, asked):
            each = [Grant("", (hold,)).may(permission, app, channel) for hold in holds]
            apart = not both.holds and permission in CARRIED | FOR_ALL  # no place in common, and yet the app
            assert both.may(permission, app, channel) == (all(each) and not apart)
        for permission, scope in product(Permission, places):
            if both.may_within(permission, scope):
                assert all(Grant("", (hold,)).may_within(permission, scope) for hold in holds)

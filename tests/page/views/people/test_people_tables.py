"""People, organisations and tokens in the words of the page."""

from edge.control.shapes.access.people import HeldView, OrganisationView, PersonView
from edge.control.shapes.access.tokens import TokenView
from edge.page.views.people.tables import SOON_SECONDS, lede_of, organisation_table, person_table, token_table

NOW = 1_700_000_000.0


def person(*holds, mail="anna@example.com", more=False):
    views = [HeldView(role=role, scope=scope, lapsed=lapsed) for role, scope, lapsed in holds]
    return PersonView(mail=mail, words="", holds=views, more=more, tokens=[], created=NOW, by="root")


def token(expires=None, former_until=None, scopes=("everything",), networks=(), person=None, gives="all"):
    return TokenView(
        name="ci",
        role="uploader",
        app=None,
        scopes=list(scopes),
        networks=list(networks),
        created=NOW,
        by="root",
        expires=expires,
        last_used=None,
        rotated=None,
        former_until=former_until,
        person=person,
        gives=gives,
    )


def acme(*apps):
    return OrganisationView(name="acme", apps=list(apps), people=1, created=NOW, by="root")


def cells(table):
    (row,) = table["rows"]
    return row["cells"]


def test_the_first_sentence_counts_and_says_what_is_worth_a_look():
    assert lede_of([], [], [token()], NOW) == ("0 people and 1 token.", "")
    lead, rest = lede_of([person()], [acme(), acme()], [token(NOW + 60), token(NOW - 60)], NOW)
    assert lead == "1 person and 2 tokens in 2 organisations."
    assert rest == "1 person holds no role; 1 token ends within two weeks; 1 token has expired."


def test_roles_are_said_with_where_they_are_held():
    held = ("viewer", "everything", False), ("releaser", "app:com.a/beta", True), ("admin", "org:acme", False)
    assert cells(person_table([person(*held, more=True)], NOW))[1] == (
        "viewer, releaser of channel beta of app com.a (lapsed), admin of organisation acme; others elsewhere"
    )
    assert cells(person_table([person()], NOW))[1]["text"] == "no role: let in nowhere"


def test_many_roles_and_apps_are_cut():
    many = person(*(("viewer", f"app:com.a{n}", False) for n in range(9)))
    assert cells(person_table([many], NOW))[1].endswith("viewer of app com.a4, 4 more")
    assert cells(organisation_table([acme(*(f"com.a{n}" for n in range(7)))], NOW))[1].endswith("com.a4 and 2 more")


def test_who_made_what_is_there_with_the_day():
    assert cells(person_table([person()], NOW))[3] == {"text": "14 Nov", "of": "by root"}
    assert cells(organisation_table([acme()], NOW))[3] == {"text": "14 Nov", "of": "by root"}
    assert cells(token_table([token()], NOW, may=False))[0]["of"] == "uploader, by root, 14 Nov"


def test_a_token_that_ends_soon_or_has_ended_stands_out():
    assert cells(token_table([token()], NOW, may=False))[3]["text"] == "never"
    assert cells(token_table([token(NOW + SOON_SECONDS - 1)], NOW, may=False))[3]["tone"] == "warn"
    assert "tone" not in cells(token_table([token(NOW + SOON_SECONDS + 1)], NOW, may=False))[3]
    assert cells(token_table([token(NOW - 86_400)], NOW, may=False))[3]["text"] == "ended 13 Nov"
    assert cells(token_table([token(former_until=NOW + 60)], NOW, may=False))[3]["of"] == "former secret until 22:14:20"


def test_a_token_says_where_it_works():
    row = cells(token_table([token(scopes=["org:acme", "app:com.a/beta"], networks=["10.0.0.0/8"])], NOW, may=False))
    assert (row[1], row[2]) == ({"text": "organisation acme, channel beta of app com.a"}, "10.0.0.0/8")
    assert cells(token_table([token(person="a@b", gives="less")], NOW, may=False))[1]["of"] == "gives less, as may a@b"
    assert cells(token_table([token(person="a@b", gives="nothing")], NOW, may=False))[1]["of"] == "ended with a@b"

"""An admin manages people and tokens on the page, with the rights and refusals of the API."""

from urllib.parse import urlencode

import pytest
from login_world import ANNA, BEN

DORA = "dora@example.com"


@pytest.fixture
async def root(open_page, logins):
    browser = await open_page(people=logins.login)
    await browser.sign_in("root")
    return browser


async def press(browser, act, expected=303, **fields):
    """The confirmation of an act, and its button."""
    path = f"/people/acts/{act}?{urlencode(fields)}"
    asked = await browser.get(path)
    assert asked.status == 200 and "Whom this touches" in asked.text, asked.text
    done = await browser.post(path, {"change": asked.seen.fields["change"], "revision": "0"})
    assert done.status == expected, done.text
    return done if done.status == 200 else await browser.get(done.location)


async def test_a_person_is_added_given_a_role_invited_and_removed(root, logins):
    assert "Add a person" in (await root.get("/people")).text
    asked = await root.get("/people/acts/add-person")
    assert "Mail address" in asked.text and 'value="everything"' in asked.source
    shown = await press(root, "add-person", mail=DORA, words="Dora", role="", scope="everything")
    assert f"Added {DORA}." in shown.text and "No role" in shown.text
    shown = await press(root, "give-role", person=DORA, role="viewer", scope="app:com.acme.typo")
    assert "There is no app:com.acme.typo here yet" in shown.text and "Take away" in shown.text
    invited = await press(root, "invite", 200, person=DORA)
    link = f"http://{root.host}/welcome?invitation="
    assert link in invited.text and invited.headers["Cache-Control"] == "no-store"
    assert link not in (await root.get(f"/people/{DORA}")).text
    shown = await press(root, "take-role", person=DORA, role="viewer", scope="app:com.acme.typo")
    assert "Took viewer of app com.acme.typo from" in shown.text
    shown = await press(root, "remove-person", person=DORA)
    assert f"Removed {DORA}." in shown.text and logins.people.find(DORA) is None
    assert (await root.get(f"/people/{DORA}")).status == 404


async def test_a_token_is_made_and_revoked(root):
    made = await press(root, "make-token", 200, name="ci", role="uploader", scope="everything", lifetime="90d")
    assert "edge_" in made.text and "shown this once" in made.text
    assert "edge_" in (await press(root, "rotate-token", 200, token="ci")).text
    assert "Revoked the token ci." in (await press(root, "revoke-token", token="ci")).text


async def test_what_one_may_not_is_refused_as_by_the_api(root, open_page, logins):
    again = await press(root, "add-person", mail=BEN, role="", scope="everything")
    assert "Nothing was changed." in again.text and "[person_exists]" in again.text
    for fields in ({"form_token": "another", "change": "page-" + "0" * 32}, {"change": ""}):
        assert (await root.post(f"/people/acts/remove-person?person={ANNA}", fields)).status in (403, 422)
    viewer = await open_page(people=logins.login)
    secret = logins.invite(BEN)
    await viewer.post("/welcome", {"invitation": secret, "new": "the heron waits", "again": "the heron waits"})
    await viewer.get("/account")
    assert (await viewer.get(f"/people/acts/remove-person?person={ANNA}")).status == 403
    refused = await viewer.post(f"/people/acts/remove-person?person={ANNA}", {"change": "page-" + "0" * 32})
    assert refused.status == 403 and logins.people.find(ANNA) is not None

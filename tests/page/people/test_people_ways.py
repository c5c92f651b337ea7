"""People sign in: by password, by passkey, with an invitation; and what ends that."""

import json

import pytest
from authenticator import Authenticator
from control_world import Api
from login_world import ANNA, BEN, PASSWORD, ROOT
from page_world import COOKIE

from edge.control.access.people_document import HeldRole
from edge.control.access.roles import Role
from edge.control.login.credential_document import INVITATION_SECONDS
from edge.control.login.passkeys import CHALLENGE_SECONDS
from edge.control.login.passwords.password_tries import PAIR_LIMIT, WINDOW_SECONDS
from edge.page.door.sessions import FRESH_SECONDS, SESSION_SECONDS

NAMED = {"Host": "localhost"}  # passkeys need a name


@pytest.fixture
async def page(open_page, logins):
    """A browser on a page with people."""
    return await open_page(people=logins.login)


@pytest.fixture
async def anna(page, logins):
    """Signed in by password."""
    secret = logins.invite(ANNA)
    done = await page.post("/welcome", {"invitation": secret, "new": PASSWORD, "again": PASSWORD})
    assert (done.status, done.location) == (303, "/"), done.text
    await page.get("/account")
    return page


async def log_in(browser, mail=ANNA, password=PASSWORD, after="/"):
    return await browser.post("/login", {"mail": mail, "password": password, "next": after})


async def asked_passkey(browser, path, fields):
    """What the page's script does before it asks the browser."""
    answer = await browser.post(path + "/options", fields, f"http://localhost:{browser.client.port}", **named(browser))
    return answer.status, json.loads(answer.source)


def named(browser):
    return {"Host": f"localhost:{browser.client.port}"}


async def send_passkey(browser, path, fields):
    return await browser.post(path, fields, f"http://localhost:{browser.client.port}", **named(browser))


def device_of(browser, **more):
    return Authenticator(f"http://localhost:{browser.client.port}", **more)


async def make_passkey(browser, device, path, fields):
    status, told = await asked_passkey(browser, path, fields)
    assert status == 200, told
    answer = device.create(json.dumps(told["options"]))
    return await send_passkey(browser, path, fields | {"ticket": told["ticket"], "answer": answer})


async def use_passkey(browser, device, **changed):
    _, told = await asked_passkey(browser, "/login/passkey", {})
    fields = {"ticket": told["ticket"], "answer": device.get(json.dumps(told["options"]), **changed), "next": "/nodes"}
    return await send_passkey(browser, "/login/passkey", fields)


async def test_an_invitation_sets_a_password_once(page, logins):
    secret = logins.invite(BEN)
    assert BEN in (await page.get(f"/welcome?invitation={secret}")).text
    fields = {"invitation": secret, "new": PASSWORD, "again": PASSWORD}
    done = await page.post("/welcome", fields)
    assert (done.status, done.location) == (303, "/") and done.cookies[COOKIE]["samesite"] == "Strict"
    assert BEN in (await page.get("/account")).text
    page.cookie = ""
    again = await page.post("/welcome", fields)
    assert again.status == 404 and "This invitation does not work any more" in again.text
    assert (await log_in(page, BEN)).status == 303


@pytest.mark.parametrize(
    ("new", "again", "why"),
    [
        (PASSWORD, "another heron waits", "differ"),
        ("short", "short", "This password has fewer"),
        ("password1234", "password1234", "common"),
    ],
)
async def test_a_password_that_is_not_taken_leaves_the_invitation(page, logins, new, again, why):
    secret = logins.invite(BEN)
    refused = await page.post("/welcome", {"invitation": secret, "new": new, "again": again})
    assert refused.status == 422 and why in refused.text and refused.seen.fields["invitation"] == secret
    assert COOKIE not in refused.cookies and new not in refused.source
    assert (await page.get(f"/welcome?invitation={secret}")).status == 200


async def test_an_invitation_ends_by_time_and_by_the_next_one(page, logins, clock):
    first = logins.invite(BEN)
    second = logins.invite(BEN)
    assert (await page.get(f"/welcome?invitation={first}")).status == 404
    clock.at += INVITATION_SECONDS
    assert (await page.get(f"/welcome?invitation={second}")).status == 404
    assert (await page.get("/welcome?invitation=" + "x" * 2_000)).status == 404


async def test_an_invitation_voids_what_the_person_had(anna, logins):
    kept = anna.cookie
    logins.invite(ANNA)
    assert (await anna.get("/account")).status == 303, "the session has ended"
    anna.cookie = ""
    assert (await log_in(anna)).status == 403
    anna.cookie = kept
    assert (await anna.get("/")).status == 303


async def test_a_password_opens_a_session_in_the_persons_name(anna):
    anna.cookie = ""
    done = await log_in(anna, " Anna@Example.COM ", after="/nodes")
    assert (done.status, done.location) == (303, "/nodes")
    shown = await anna.get("/")
    assert ANNA in shown.text and "Signed in as" in shown.text and PASSWORD not in str(done.cookies)


async def test_every_failure_says_the_same(anna):
    """Nothing tells whether an address is known, has a password, or has been removed."""
    anna.cookie = ""
    told = [await log_in(anna, mail, PASSWORD + "!") for mail in (ANNA, BEN, "nobody@example.com", "", "x" * 500)]
    assert {each.status for each in told} == {403}
    assert len({each.text for each in told}) == 1 and COOKIE not in told[0].cookies


async def test_tries_are_limited_and_the_limit_ends(anna, logins):
    anna.cookie = ""
    for _ in range(PAIR_LIMIT):
        assert (await log_in(anna, password="wrong wrong wrong")).status == 403
    assert (await log_in(anna)).status == 429, "also the right one: a guess must not tell that it was right"
    assert (await log_in(anna, BEN)).status == 403, "of another person"
    logins.ticks += WINDOW_SECONDS
    assert (await log_in(anna)).status == 303


async def test_who_is_removed_is_out_at_once(anna, logins):
    assert (await anna.get("/account")).status == 200
    logins.remove(ANNA)
    assert (await anna.get("/")).status == 303
    logins.add(ANNA, Role.VIEWER)
    assert (await anna.get("/")).status == 303, "the session does not come back"


async def test_a_role_that_is_taken_away_is_gone_at_once(anna, logins):
    assert "admin" in (await anna.get("/account")).text
    logins.people.revoke_role(ROOT, ANNA, HeldRole("admin", "everything"))
    assert (await anna.get("/account")).status == 303, "who holds nothing is out"
    logins.people.grant_role(ROOT, ANNA, HeldRole("viewer", "everything"))
    anna.cookie = ""
    await log_in(anna)
    shown = await anna.get("/account")
    assert "viewer" in shown.text and "admin" not in shown.text


async def test_a_new_password_ends_the_other_sessions(anna, logins):
    other = anna.cookie
    anna.cookie = ""
    await log_in(anna)
    await anna.get("/account")
    fields = {"password": PASSWORD, "new": "another heron by the lock", "again": "another heron by the lock"}
    assert (await anna.post("/account/password", fields)).location == "/account"
    assert "Your password is set" in (await anna.get("/account")).text
    anna.cookie = other
    assert (await anna.get("/account")).status == 303
    anna.cookie = ""
    assert (await log_in(anna)).status == 403
    assert (await log_in(anna, password="another heron by the lock")).status == 303


async def test_a_new_password_needs_the_old_one(anna):
    fields = {"password": "wrong wrong wrong", "new": "another heron by the lock", "again": "another heron by the lock"}
    await anna.post("/account/password", fields)
    assert "wrong_login" in (await anna.get("/account")).text
    anna.cookie = ""
    assert (await log_in(anna)).status == 303


async def test_signing_out_everywhere_ends_every_session(anna, logins):
    other = anna.cookie
    anna.cookie = ""
    await log_in(anna)
    await anna.get("/account")
    assert (await anna.post("/account/sign-out", {})).location == "/login"
    for cookie in (other, anna.cookie):
        anna.cookie = cookie
        assert (await anna.get("/account")).status == 303
    assert logins.accounts.credentials(ANNA).password, "the password stays"


async def test_a_passkey_is_made_with_an_invitation_and_opens_the_page(page, logins):
    secret, device = logins.invite(BEN), device_of(page)
    done = await make_passkey(page, device, "/welcome/passkey", {"invitation": secret, "name": "phone"})
    assert (done.status, done.location) == (303, "/"), done.text
    page.cookie = ""
    opened = await use_passkey(page, device)
    assert (opened.status, opened.location) == (303, "/nodes"), opened.text
    assert BEN in (await page.get("/account")).text
    assert (await page.get(f"/welcome?invitation={secret}")).status == 404


async def test_a_challenge_is_used_once_and_in_time(page, logins, clock):
    secret, device = logins.invite(BEN), device_of(page)
    await make_passkey(page, device, "/welcome/passkey", {"invitation": secret, "name": "phone"})
    page.cookie = ""
    _, told = await asked_passkey(page, "/login/passkey", {})
    fields = {"ticket": told["ticket"], "answer": device.get(json.dumps(told["options"]))}
    assert (await send_passkey(page, "/login/passkey", fields)).status == 303
    page.cookie = ""
    assert (await send_passkey(page, "/login/passkey", fields)).status == 403
    _, told = await asked_passkey(page, "/login/passkey", {})
    clock.at += CHALLENGE_SECONDS
    late = {"ticket": told["ticket"], "answer": device.get(json.dumps(told["options"]))}
    refused = await send_passkey(page, "/login/passkey", late)
    assert refused.status == 403 and "five minutes" in refused.text and COOKIE not in refused.cookies


async def test_a_challenge_is_for_what_it_was_made_for(page, logins):
    """One of a login makes no passkey, and one for a person makes none of another."""
    ben, anna = logins.invite(BEN), logins.invite(ANNA)
    device = device_of(page)
    _, told = await asked_passkey(page, "/welcome/passkey", {"invitation": ben})
    answer = device.create(json.dumps(told["options"]))
    fields = {"invitation": anna, "ticket": told["ticket"], "answer": answer, "name": "x"}
    assert (await send_passkey(page, "/welcome/passkey", fields)).status == 403
    assert logins.accounts.credentials(ANNA).passkeys == logins.accounts.credentials(BEN).passkeys == ()


async def test_a_passkey_of_somebody_removed_opens_nothing(page, logins):
    device = device_of(page)
    await make_passkey(page, device, "/welcome/passkey", {"invitation": logins.invite(BEN), "name": "phone"})
    page.cookie = ""
    logins.remove(BEN)
    assert (await use_passkey(page, device)).status == 403


async def test_a_count_that_falls_is_logged(page, logins, caplog):
    device = device_of(page, count=9)
    await make_passkey(page, device, "/welcome/passkey", {"invitation": logins.invite(BEN), "name": "phone"})
    device.count = 3
    page.cookie = ""
    assert (await use_passkey(page, device)).status == 303
    assert "it may have been copied" in caplog.text


async def test_passkeys_are_added_and_removed_by_who_signed_in_lately(anna, logins, clock):
    device = device_of(anna)
    await make_passkey(anna, device, "/account/passkeys", {"form_token": anna.form_token, "name": "my phone"})
    shown = await anna.get("/account")
    assert "my phone" in shown.text and "The passkey is added" in shown.text
    kept = logins.accounts.credentials(ANNA).passkeys[0].id
    clock.at += FRESH_SECONDS
    await anna.post("/account/passkeys/remove", {"passkey": kept})
    assert "sign_in_again" in (await anna.get("/account")).text
    status, told = await asked_passkey(anna, "/account/passkeys", {"form_token": anna.form_token})
    assert (status, told["error"]) == (403, "sign_in_again")
    anna.cookie = ""
    await log_in(anna)
    await anna.get("/account")
    await anna.post("/account/passkeys/remove", {"passkey": kept})
    assert logins.accounts.credentials(ANNA).passkeys == ()


async def test_the_last_way_in_stays(page, logins):
    device = device_of(page)
    await make_passkey(page, device, "/welcome/passkey", {"invitation": logins.invite(BEN), "name": "phone"})
    await page.get("/account")
    await page.post("/account/passkeys/remove", {"passkey": logins.accounts.credentials(BEN).passkeys[0].id})
    assert "last_credential" in (await page.get("/account")).text


async def test_the_page_says_why_there_are_no_passkeys_at_an_address(page, logins):
    shown = await page.get("/login")
    assert "Passkeys are bound to a name" in shown.text and "passkeys.js" not in shown.source
    answer = await page.post("/login/passkey/options", {})
    assert (answer.status, json.loads(answer.source)["error"]) == (403, "no_passkeys_here")
    by_name = await page.get("/login", **named(page))
    assert "passkeys.js" in by_name.source and "Use a passkey" in by_name.text


@pytest.mark.parametrize("path", ["/account/password", "/account/passkeys", "/account/terminals", "/account/sign-out"])
async def test_changes_need_the_sessions_own_form_and_its_origin(anna, path):
    anna.form_token = "another"
    assert (await anna.post(path, {})).status == 403
    assert (await anna.post(path, {}, origin="https://evil.example")).status == 403


async def test_a_token_has_no_account(root):
    shown = await root.get("/account")
    assert shown.status == 409 and "A token has no account" in shown.text


async def test_tokens_still_sign_in_beside_people(page):
    assert "I have a token" in (await page.get("/login")).text
    await page.sign_in("root")
    assert "with the token root" in (await page.get("/")).text


async def test_a_page_without_people_asks_for_a_token_alone(open_page, logins):
    logins.remove(ANNA)
    logins.remove(BEN)
    browser = await open_page(people=logins.login)
    assert "Mail address" not in (await browser.get("/login")).text
    plain = await open_page()
    assert (await plain.post("/login", {"mail": ANNA, "password": PASSWORD})).status == 404


async def test_a_session_of_a_person_ends_by_time(anna, clock):
    clock.at += SESSION_SECONDS
    assert (await anna.get("/")).status == 303


async def test_a_token_for_the_command_line_is_shown_once(anna, logins):
    made = await anna.post("/account/terminals", {"name": "laptop"})
    assert made.status == 200 and "edge_person_" in made.source and made.headers["Cache-Control"] == "no-store"
    shown = await anna.get("/account")
    assert "laptop" in shown.text and "edge_person_" not in shown.source
    hashed = logins.accounts.credentials(ANNA).terminals[0].hash
    await anna.post("/account/terminals/end", {"terminal": hashed})
    assert logins.accounts.credentials(ANNA).terminals == ()


async def test_a_browser_that_was_left_open_gives_no_token_away(anna, logins, clock):
    clock.at += FRESH_SECONDS
    shown = await anna.get("/account")
    assert "Sign out and in again to make one" in shown.text and "for twelve hours" not in shown.text
    assert "edge_person_" not in (await anna.post("/account/terminals", {"name": "theirs"})).source
    assert "sign_in_again" in (await anna.get("/account")).text
    assert logins.accounts.credentials(ANNA).terminals == ()


async def test_every_way_in_and_every_change_is_in_the_audit(anna, logins):
    """With the person's name where the person is known, and nothing that was typed where not."""
    anna.cookie = ""
    await log_in(anna, password="wrong wrong wrong")
    await log_in(anna, "my password is hunter2")
    await log_in(anna)
    await anna.get("/account")
    await anna.post("/account/terminals", {"name": "laptop"})
    await anna.post("/account/sign-out", {})
    told = await Api(anna.client, anna.secrets)("GET", "/v1/audit?limit=50")
    acts = [(each["operation"], each["who"], each["code"]) for each in told["entries"]]
    for act in (
        ("accept_invitation", ANNA, ""),
        ("login_password", ANNA, "wrong_login"),
        ("login_password", "", "wrong_login"),
        ("login_password", ANNA, ""),
        ("make_terminal_token", ANNA, ""),
        ("logout_everywhere", ANNA, ""),
    ):
        assert act in acts, acts
    assert "hunter2" not in str(told)

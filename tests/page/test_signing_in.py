"""Who gets in: by token, by link, for how long, and from where."""

import html

import pytest
from control_world import Api
from page_world import COOKIE
from token_making import admin

from edge.control.access.tokens import hash_secret
from edge.page.app import QUERY_LIMIT
from edge.page.door.login_links import LINK_SECONDS
from edge.page.door.sessions import SESSION_SECONDS
from edge.page.door.tries import TRIES_LIMIT
from edge.page.signing_in import next_address


async def test_a_page_sends_who_is_not_signed_in_to_the_login_and_back(browser):
    page = await browser.get("/")
    assert (page.status, page.location) == (303, "/login")
    assert (await browser.get("/login?next=/nodes")).seen.fields["next"] == "/nodes"


async def test_a_token_opens_a_session_that_scripts_cannot_read(browser):
    page = await browser.post("/login", {"token": browser.secrets["root"], "next": "/"})
    assert (page.status, page.location) == (303, "/")
    cookie = page.cookies[COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
    assert browser.secrets["root"] not in str(page.cookies)
    shown = await browser.get("/")
    assert shown.status == 200 and "root" in shown.text


async def test_a_wrong_token_is_refused_and_tries_are_limited(browser):
    for _ in range(TRIES_LIMIT):
        assert (await browser.post("/login", {"token": "edge_wrong"})).status == 403
    page = await browser.post("/login", {"token": "edge_wrong"})
    assert page.status == 429 and COOKIE not in page.cookies


async def test_wrong_tries_of_an_address_lock_out_nobody_behind_it(browser, links, clock):
    for _ in range(TRIES_LIMIT + 1):
        await browser.post("/login", {"token": "edge_wrong"})
    assert (await browser.post("/login", {"token": browser.secrets["root"]})).status == 303
    secret, _ = links.make(hash_secret(browser.secrets["reader"]), clock.now())
    assert (await browser.post("/login", {"link": secret})).status == 303
    assert (await browser.post("/login", {"link": secret})).status == 429, "a used one is a failure"


async def test_the_query_survives_signing_in(browser):
    asked = "/apps/com.acme.app/history?q=a%20b&kind=pause"
    sent = await browser.get(asked)
    form = await browser.get(sent.location)
    assert form.seen.fields["next"] == asked
    page = await browser.post("/login", {"token": browser.secrets["root"], "next": form.seen.fields["next"]})
    assert page.location == asked


async def test_a_query_that_is_too_long_for_the_login_is_left_behind(browser):
    sent = await browser.get("/nodes?q=" + "&" * (QUERY_LIMIT - 2))
    assert sent.location == "/login?next=/nodes"
    assert (await browser.get(sent.location)).status == 200


async def test_a_link_of_another_site_goes_on_by_itself_once(root):
    """What a browser does that withholds a strict cookie from it."""
    kept, root.cookie = root.cookie, ""
    first = await root.get("/nodes?all=1", **{"Sec-Fetch-Site": "cross-site"})
    led = await root.get(first.location, **{"Sec-Fetch-Site": "cross-site"})
    onward = html.unescape(led.source.partition('content="0; url=')[2].partition('"')[0])
    assert led.status == 200 and onward.startswith("/login?")
    signed_out = await root.get(onward, **{"Sec-Fetch-Site": "same-origin"})
    assert signed_out.status == 200 and "http-equiv" not in signed_out.source
    assert signed_out.seen.fields["next"] == "/nodes?all=1"
    root.cookie = kept
    assert (await root.get(onward, **{"Sec-Fetch-Site": "same-origin"})).location == "/nodes?all=1"


@pytest.mark.parametrize("site", ["none", "same-origin", "same-site"])
async def test_the_login_of_a_browser_that_sends_its_cookies_stays(browser, site):
    assert "http-equiv" not in (await browser.get("/login", **{"Sec-Fetch-Site": site})).source


async def test_a_link_that_signs_in_is_asked_for_also_by_who_is_signed_in(root, links, clock):
    secret, _ = links.make(hash_secret(root.secrets["reader"]), clock.now())
    assert (await root.get(f"/login?link={secret}")).seen.fields["link"] == secret


async def test_the_login_leads_who_is_signed_in_nowhere_else(root):
    assert (await root.get("/login?next=//evil.example")).location == "/"


async def test_a_link_opens_a_session_once(browser, links, clock):
    secret, _ = links.make(hash_secret(browser.secrets["root"]), clock.now())
    shown = await browser.get(f"/login?link={secret}")
    assert shown.seen.fields["link"] == secret
    assert (await browser.post("/login", {"link": secret})).status == 303
    assert (await browser.get("/")).status == 200
    assert (await browser.post("/login", {"link": secret})).status == 403


async def test_a_link_ends(browser, links, clock):
    secret, _ = links.make(hash_secret(browser.secrets["root"]), clock.now())
    clock.at += LINK_SECONDS
    assert (await browser.post("/login", {"link": secret})).status == 403


async def test_a_session_ends_by_time(root, clock):
    clock.at += SESSION_SECONDS
    assert (await root.get("/")).status == 303


async def test_a_session_ends_with_its_token(browser, world):
    await browser.sign_in("reader")
    assert browser.secrets["root"]  # the last admin stays
    world.tokens.revoke("reader", admin())
    assert (await browser.get("/")).status == 303


async def test_signing_out_ends_the_session_at_the_node(root):
    kept = root.cookie
    assert (await root.post("/logout", {})).location == "/login"
    root.cookie = kept
    assert (await root.get("/")).status == 303


async def test_signing_out_needs_the_forms_token(root):
    assert (await root.post("/logout", {"form_token": "another"})).status == 403
    assert (await root.get("/")).status == 200


@pytest.mark.parametrize("path", ["/v1/apps", "/v1/token"])
async def test_a_session_authorises_nothing_of_the_api(root, path):
    assert (await root.get(path)).status == 401


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/apps/com.acme.app", "/apps/com.acme.app"),
        ("/nodes?q=1", "/nodes?q=1"),
        ("", "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\n/evil", "/"),
        ("/login", "/"),
        ("/v1/apps", "/"),
        ("/" + "a" * 3_000, "/"),
    ],
)
def test_the_login_leads_on_to_this_page_alone(text, address):
    assert next_address(text) == address


async def test_an_admin_makes_a_link_over_the_api(open_page, links, clock):
    browser = await open_page(make=links.make)
    api = Api(browser.client, browser.secrets)
    made = await api("POST", "/v1/login-links")
    assert made["expires"] == clock.now() + LINK_SECONDS
    secret = made["path"].removeprefix("/login?link=")
    assert (await browser.post("/login", {"link": secret})).status == 303
    assert "root" in (await browser.get("/")).text
    assert await api("POST", "/v1/login-links", by="publisher", status=403) == "forbidden"

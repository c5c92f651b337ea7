"""People sign in by OpenID Connect, on the page, with a provider that may misbehave."""

import dataclasses
import html
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from control_world import Api
from login_world import ANNA, BEN
from oidc_double import CLIENT_ID, CLIENT_SECRET, OTHER_EC, OidcDouble, sign, unsigned
from page_world import COOKIE

from edge.control.login.accounts import Accounts
from edge.control.login.credential_document import ProviderIdentity, with_identity
from edge.control.login.oidc.client import OidcClient, OidcRegistration
from edge.control.login.oidc_login import LOGIN_SECONDS, OidcLogin
from edge.control.login.people_login import PeopleLogin
from edge.control.login.region_credentials import IDENTITIES_FILE, RegionCredentials
from edge.page.door.sessions import FRESH_SECONDS, RENEW_AGAIN_SECONDS, RENEW_SECONDS, SESSION_SECONDS, STATED_SECONDS

OIDC_COOKIE = "edge_oidc"


@pytest.fixture
async def double(clock):
    made = await OidcDouble(clock.now).start()
    yield made
    await made.stop()


@pytest.fixture
async def logins(world, double):
    made = world.logins.fill()
    client = OidcClient(OidcRegistration(double.issuer, CLIENT_ID, CLIENT_SECRET, "openid email", "groups"))
    made.login = made.ways(oidc=OidcLogin(made.accounts, client))
    yield made
    await client.close()


@pytest.fixture
async def page(open_page, logins):
    browser = await open_page(people=logins.login)
    browser.kept = ""
    return browser


FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


async def leave(page, path="/login/oidc"):
    """The page sends the browser to the provider: where, and with which cookie."""
    sent = await page.get(path, **FROM_HERE)
    assert sent.status == 303, sent.text
    page.kept = sent.cookies[OIDC_COOKIE].value
    cookie = sent.cookies[OIDC_COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    return sent.location


async def come_back(page, query):
    """From another site: with the Lax cookie, without the session's."""
    kept, page.cookie = page.cookie, ""
    page.client.session.cookie_jar.clear()
    headers = {"Cookie": f"{OIDC_COOKIE}={page.kept}", "Sec-Fetch-Site": "cross-site"}
    found = await page.get("/login/oidc/return?" + urlencode(query), **headers)
    page.cookie = page.cookie or kept
    return found


async def log_in(page, double, path="/login/oidc", **more):
    return await come_back(page, {k: v for k, v in double.authorize(await leave(page, path), **more).items() if v})


async def test_somebody_added_by_mail_signs_in_and_goes_on(page, double):
    assert urlsplit(double.issuer).hostname in (await page.get("/login")).text
    done = await log_in(page, double, "/login/oidc?next=/nodes%3Fall%3D1")
    assert done.status == 200 and COOKIE in done.cookies and done.cookies[COOKIE]["samesite"] == "Strict"
    assert html.unescape(done.source.partition('content="0; url=')[2].partition('"')[0]) == "/nodes?all=1"
    assert ANNA in (await page.get("/account")).text


async def test_what_the_provider_is_asked(page, double):
    address = await leave(page)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["redirect_uri"] == f"http://{page.host}/login/oidc/return"
    assert (asked["response_type"], asked["code_challenge_method"], asked["scope"]) == ("code", "S256", "openid email")
    again = {name: values[0] for name, values in parse_qs(urlsplit(await leave(page)).query).items()}
    assert all(asked[each] != again[each] for each in ("state", "nonce", "code_challenge"))


async def test_issuer_and_subject_are_the_person_from_then_on(page, double, logins):
    await log_in(page, double)
    double.person = {"sub": "s-1", "email": BEN, "email_verified": True}
    page.cookie = ""
    await log_in(page, double)
    assert ANNA in (await page.get("/account")).text, "another address at the provider, the same person here"


async def test_another_subject_with_the_same_mail_is_nobody(page, double, logins):
    await log_in(page, double)
    double.person |= {"sub": "s-2"}
    double.claims = {"sub": "s-2"}
    page.cookie = ""
    refused = await log_in(page, double)
    assert refused.status == 409 and "another account at the provider" in refused.text and COOKIE not in refused.cookies


@pytest.mark.parametrize(
    ("person", "why"),
    [
        ({"email": "stranger@example.com"}, "nobody has added stranger@example.com"),
        ({"email_verified": False}, "no mail address that it has verified"),
        ({"email": None}, "no mail address that it has verified"),
    ],
)
async def test_who_is_not_added_is_nobody(page, double, person, why):
    double.person |= person
    refused = await log_in(page, double)
    assert refused.status == 403 and why.lower() in refused.text.lower() and COOKIE not in refused.cookies


async def test_groups_give_roles_and_take_them_at_the_next_login(page, double):
    double.person |= {"email": BEN}
    await log_in(page, double)
    assert "releaser" in (await page.get("/account")).text
    double.person |= {"groups": "others"}
    page.cookie = ""
    await log_in(page, double)
    shown = await page.get("/account")
    assert "viewer" in shown.text and "releaser" not in shown.text


async def test_a_session_is_renewed_silently_and_groups_with_it(page, double, clock):
    double.person |= {"email": BEN}
    await log_in(page, double)
    assert "releaser" in (await page.get("/account")).text
    kept, form = page.cookie, page.form_token
    clock.at += RENEW_SECONDS
    double.person |= {"groups": []}
    sent = await page.get("/nodes")
    assert sent.location.startswith("/login/oidc?renew=1&next=/nodes")
    address = await leave(page, sent.location)
    assert parse_qs(urlsplit(address).query)["prompt"] == ["none"]
    back = await come_back(page, double.authorize(address))
    assert back.status == 200 and COOKIE not in back.cookies
    shown = await page.get("/account")
    assert "releaser" not in shown.text and (page.cookie, page.form_token) == (kept, form), "open forms stay good"


async def test_what_was_stated_an_hour_ago_opens_nothing(page, double, clock):
    await log_in(page, double)
    clock.at += STATED_SECONDS
    assert (await page.get("/nodes")).location.startswith("/login/oidc?renew=1")
    assert (await page.post("/account/sign-out", {})).location == "/login?next=/account/sign-out"
    address = await leave(page, "/login/oidc?renew=1&next=/nodes")
    refused = await come_back(
        page, {"state": double.authorize(address)["state"], "iss": double.issuer, "error": "login_required"}
    )
    assert refused.status == 403 and "asks you to sign in again" in refused.text
    assert (await page.get("/nodes")).status == 303


async def test_a_login_is_fresh_if_the_provider_states_that_it_asked(page, double, clock):
    """A provider that knows the browser asks nothing of whoever sits there."""

    async def made():
        return await page.post("/account/terminals", {"name": "laptop"})

    async def again():
        address = await leave(page, "/login/oidc?again=1&next=/account")
        asked = parse_qs(urlsplit(address).query)
        assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
        back = await come_back(page, double.authorize(address))
        assert back.status == 200 and COOKIE not in back.cookies, "the session that is open"
        return (await page.get("/account")).text

    await log_in(page, double)
    assert "has not stated that you signed in just now" in (await page.get("/account")).text
    assert (await made()).status == 303 and "sign_in_again" in (await page.get("/account")).text
    assert "does not state when you did" in await again(), "a provider that ignores what it is asked"
    double.claims = {"auth_time": int(clock.at - FRESH_SECONDS)}
    assert "more than 15 minutes ago" in await again()
    assert (await made()).status == 303
    double.claims = {"auth_time": int(clock.at)}
    assert "Make a token for twelve hours" in await again()
    assert (await made()).status == 200
    clock.at += FRESH_SECONDS
    assert (await made()).status == 303


async def test_somebody_else_at_the_provider_makes_no_session_fresh(page, double):
    await log_in(page, double)
    kept = page.cookie
    double.person = {"sub": "s-2", "email": BEN, "email_verified": True}
    double.claims = {"sub": "s-2", "auth_time": int(double.now())}
    await log_in(page, double, "/login/oidc?again=1")
    assert page.cookie != kept and BEN in (await page.get("/account")).text
    page.cookie = kept
    assert "has not stated that you signed in just now" in (await page.get("/account")).text


async def test_a_renewal_by_somebody_else_does_not_renew(page, double, clock, logins):
    await log_in(page, double)
    kept = page.cookie
    clock.at += RENEW_SECONDS
    double.person = {"sub": "s-2", "email": BEN, "email_verified": True}
    double.claims = {"sub": "s-2"}
    back = await log_in(page, double, "/login/oidc?renew=1")
    assert COOKIE in back.cookies and page.cookie != kept
    assert BEN in (await page.get("/account")).text


async def test_a_provider_that_is_gone_leaves_who_is_in_until_the_hour(page, double, clock):
    await log_in(page, double)
    clock.at += RENEW_SECONDS
    await leave(page, (await page.get("/account")).location)
    assert (await page.get("/account")).status == 200, "who does not come back goes on with what was stated"
    clock.at += RENEW_AGAIN_SECONDS
    assert (await page.get("/account")).status == 303


async def test_a_provider_that_cannot_be_asked_is_said(page, double):
    double.raw["/.well-known/openid-configuration"] = (503, {}, b"")
    refused = await page.get("/login/oidc")
    assert refused.status == 503 and "cannot be asked now" in refused.text


@pytest.mark.parametrize(
    "change",
    [
        {"state": "another"},
        {"state": ""},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"code": "another"},
        {"code": None},
        {"error": "access_denied"},
    ],
)
async def test_a_return_that_is_wrong_in_one_thing_opens_nothing(page, double, change):
    back = await log_in(page, double, **change)
    assert back.status in (401, 403, 503) and COOKIE not in back.cookies
    assert (await page.get("/")).status == 303


@pytest.mark.parametrize("claims", [{"nonce": "x"}, {"aud": "x"}, {"iss": "https://x"}, {"exp": 1}, {"azp": "x"}])
async def test_a_statement_that_is_wrong_in_one_thing_opens_nothing(page, double, claims):
    double.claims = claims
    back = await log_in(page, double)
    assert back.status == 401 and COOKIE not in back.cookies


@pytest.mark.parametrize("make", [unsigned, lambda claims: sign(claims, OTHER_EC), lambda _: "x", lambda _: ""])
async def test_a_forged_statement_opens_nothing(page, double, make):
    double.make_token = make
    back = await log_in(page, double)
    assert back.status == 401 and COOKIE not in back.cookies


async def test_a_state_is_used_once_by_the_browser_that_has_it_and_in_time(page, double, clock):
    back = double.authorize(await leave(page))
    kept, page.kept = page.kept, "x" * 43
    assert (await come_back(page, back)).status == 401, "another browser: a link that signs somebody in as another"
    page.kept = kept
    assert (await come_back(page, back)).status == 401, "used up by the attempt"
    back = double.authorize(await leave(page))
    assert (await come_back(page, back)).status == 200
    assert (await come_back(page, back)).status == 401
    back = double.authorize(await leave(page))
    clock.at += LOGIN_SECONDS
    assert (await come_back(page, back)).status == 401


async def test_two_tabs_may_be_on_their_way_at_once(page, double):
    first = double.authorize(await leave(page))
    second = double.authorize((await page.get("/login/oidc", Cookie=f"{OIDC_COOKIE}={page.kept}")).location)
    assert (await come_back(page, second)).status == (await come_back(page, first)).status == 200


async def test_an_invitation_binds_an_account_without_its_mail(page, double, logins):
    double.person = {"sub": "s-1"}
    secret = logins.invite(BEN)
    assert "Use your account at" in (await page.get(f"/welcome?invitation={secret}")).text
    done = await log_in(page, double, f"/login/oidc?invitation={secret}")
    assert done.status == 200 and BEN in (await page.get("/account")).text
    again = await log_in(page, double, f"/login/oidc?invitation={secret}")
    assert again.status == 404 and "invitation" in again.text


async def test_what_a_provider_fails_at_is_no_change_that_may_have_been_made(page, double, logins):
    secret = logins.invite(BEN)
    for _ in range(3):
        assert (await log_in(page, double, f"/login/oidc?invitation={secret}", code="another")).status == 503
    told = await Api(page.client, page.secrets)("GET", "/v1/audit?limit=50")
    (failed,) = [each for each in told["entries"] if each["operation"] == "link_identity"]
    assert failed["outcome"] == "failed"  # the others are counted


@pytest.mark.parametrize(
    ("stated", "goes"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Referer": "http://{host}/welcome"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Referer": "http://evil.example/"}, False),
        ({"Referer": "http://[/"}, False),
        ({}, False),
        ({"Referer": "http://{host}/welcome"}, True),
    ],
)
async def test_a_link_of_another_site_binds_no_account(page, logins, stated, goes):
    """It would bind the reader's account to the person whom somebody else was invited as."""
    secret, headers = logins.invite(BEN), {name: each.format(host=page.host) for name, each in stated.items()}
    sent = await page.get(f"/login/oidc?invitation={secret}", **headers)
    assert sent.location.startswith("http:") if goes else sent.location == f"/welcome?invitation={secret}"
    assert (OIDC_COOKIE in sent.cookies) is goes


async def test_an_account_is_one_persons(page, double, logins):
    logins.credentials.change(
        lambda document: with_identity(document, ANNA, ProviderIdentity(issuer=double.issuer, subject="s-1", bound=0.0))
    )
    refused = await log_in(page, double, f"/login/oidc?invitation={logins.invite(BEN)}")
    assert refused.status == 409 and "somebody else" in refused.text


async def test_who_was_removed_is_nobody_at_the_provider_too(page, double, logins):
    await log_in(page, double)
    logins.remove(ANNA)
    assert (await page.get("/account")).status == 303
    page.cookie = ""
    refused = await log_in(page, double)
    assert refused.status == 403 and COOKIE not in refused.cookies


async def test_the_login_leads_to_no_other_host(page, double):
    done = await log_in(page, double, "/login/oidc?next=//evil.example")
    assert "evil.example" not in done.source


async def test_a_page_without_a_provider_has_none(open_page, logins):
    browser = await open_page(people=logins.ways())
    assert (await browser.get("/login/oidc")).status == (await browser.get("/login/oidc/return")).status == 404


async def test_the_address_of_the_page_may_be_given(open_page, logins):
    people = dataclasses.replace(logins.login, public_url="https://edge.example.com")
    browser = await open_page(people=people)
    sent = await browser.get("/login/oidc")
    asked = parse_qs(urlsplit(sent.location).query)
    assert asked["redirect_uri"] == ["https://edge.example.com/login/oidc/return"]
    assert sent.cookies[f"__Host-{OIDC_COOKIE}"]["secure"], "a proxy has the TLS"
    assert (await browser.get("/login")).status == 200
    entered = await browser.post("/login", {"token": browser.secrets["root"]}, "https://" + browser.host)
    assert entered.cookies[f"__Host-{COOKIE}"]["secure"], "no other name of the domain can set it"


async def test_a_session_by_a_provider_ends_by_time_too(page, double, clock):
    await log_in(page, double)
    clock.at += SESSION_SECONDS
    assert (await page.get("/nodes")).location == "/login?next=/nodes"


async def test_a_region_binds_accounts_by_itself_and_says_what_it_has_not(open_page, logins, double, clock, tmp_path):
    accounts = Accounts(logins.people, RegionCredentials(tmp_path / IDENTITIES_FILE), clock.now)
    registration = OidcRegistration(double.issuer, CLIENT_ID, CLIENT_SECRET, "openid email", "groups")
    oidc = OidcLogin(accounts, OidcClient(registration))
    page = await open_page(people=PeopleLogin(accounts=accounts, oidc=oidc), origin="https://origin.example.com")
    shown = await page.get("/login")
    assert "Passwords and passkeys are kept on the origin" in shown.text and "Mail address" not in shown.text
    assert (await page.post("/login", {"mail": ANNA, "password": "the heron waits"})).status == 404
    await log_in(page, double)
    assert ANNA in (await page.get("/account")).text
    double.person |= {"sub": "s-2"}
    double.claims = {"sub": "s-2"}
    page.cookie = ""
    assert (await log_in(page, double)).status == 409, "the mail address alone is nobody here either"
    await oidc.close()

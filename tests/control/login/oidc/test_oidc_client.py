"""The whole flow against a provider that misbehaves, over real HTTP."""

import pytest
from oidc_double import CLIENT_ID, CLIENT_SECRET, EC, OTHER_EC, OidcDouble, public, sign, unsigned

from edge.control.login.oidc.authorization import LoginDeclined, authorization_address, begin_login, check_return
from edge.control.login.oidc.client import (
    ANSWER_LIMIT_BYTES,
    KEYS_SECONDS,
    METADATA_SECONDS,
    REFETCH_SECONDS,
    RETRY_SECONDS,
    OidcClient,
    OidcRegistration,
)
from edge.control.login.oidc.id_token import IdTokenRefused, Stated
from edge.control.login.oidc.provider import OidcFault

NOW, REDIRECT = 1_800_000_000.0, "https://edge.example.com/login/oidc/return"


class Ticks:
    at = 1_000.0

    def __call__(self):
        return self.at


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
async def double():
    made = await OidcDouble(lambda: NOW).start()
    yield made
    await made.stop()


@pytest.fixture
async def client(double, ticks):
    made = OidcClient(OidcRegistration(double.issuer, CLIENT_ID, CLIENT_SECRET, "openid email", "groups"), clock=ticks)
    yield made
    await made.close()


async def log_in(client, double, query=None, browser="b-1", returning="b-1"):
    pending = begin_login(double.issuer, REDIRECT, "/", browser)
    provider = await client.provider()
    address = authorization_address(provider, CLIENT_ID, client.registration.scopes, pending, "s-1")
    assert address.startswith(f"{double.issuer}/auth?")
    back = double.authorize(address, **(query or {}))
    code = check_return(
        {name: value for name, value in back.items() if value is not None}, pending, provider, returning
    )
    return await client.redeem(code, pending, NOW)


async def test_somebody_is_whom_the_provider_states(client, double):
    assert await log_in(client, double) == Stated(double.issuer, "s-1", "anna@example.com", frozenset({"releases"}))
    assert double.asked == ["/.well-known/openid-configuration", "/token", "/jwks", "/me"]


async def test_userinfo_does_not_say_when_somebody_signed_in(client, double):
    """It is not signed, and not about this login."""
    double.userinfo = double.person | {"auth_time": NOW}
    assert (await log_in(client, double)).authenticated == 0.0
    double.claims = {"auth_time": NOW - 5}
    assert (await log_in(client, double)).authenticated == NOW - 5


async def test_what_the_provider_says_of_itself_is_asked_once_an_hour(client, double, ticks):
    await log_in(client, double)
    await log_in(client, double)
    assert double.count("/.well-known/openid-configuration") == double.count("/jwks") == 1
    ticks.at += max(METADATA_SECONDS, KEYS_SECONDS)
    await log_in(client, double)
    assert double.count("/.well-known/openid-configuration") == double.count("/jwks") == 2


async def test_groups_of_the_token_need_no_userinfo(client, double):
    double.claims = {"groups": "ops", "email": "anna@example.com", "email_verified": True}
    assert (await log_in(client, double)).groups == {"ops"}
    assert double.count("/me") == 0


async def test_what_the_token_states_counts_before_userinfo(client, double):
    double.claims = {"email": "anna@example.com", "email_verified": False}
    assert (await log_in(client, double)).mail == "", "userinfo says verified, of an address of its own"


async def test_a_secret_goes_in_the_body_where_the_provider_takes_no_other(client, double):
    double.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await log_in(client, double)).subject == "s-1"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["another", CLIENT_ID], "azp": "another"}, "azp"),
        ({"exp": int(NOW) - 61}, "expired"),
        ({"sub": None}, "sub"),
    ],
)
async def test_wrong_claims_open_nothing(client, double, claims, why):
    double.claims = claims
    with pytest.raises(IdTokenRefused, match=why):
        await log_in(client, double)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (unsigned, "algorithm"),
        (lambda claims: sign(claims, OTHER_EC), "signature"),
        (lambda claims: sign(claims, kid="unknown"), "unknown"),
    ],
)
async def test_a_forged_signature_opens_nothing(client, double, make, why):
    double.make_token = make
    with pytest.raises(IdTokenRefused, match=why):
        await log_in(client, double)


@pytest.mark.parametrize(
    ("query", "returning", "why"),
    [
        ({"iss": "https://evil.example"}, "b-1", "iss"),
        ({"iss": None}, "b-1", "iss"),
        ({}, "b-2", "another browser"),
        ({}, "", "another browser"),
        ({"code": ""}, "b-1", "no code"),
        ({"code": "x" * 5_000}, "b-1", "no code"),
        ({"error": "access_denied"}, "b-1", "access_denied"),
        ({"error": "<script>"}, "b-1", "an error"),
    ],
)
async def test_a_return_that_is_not_of_this_login_opens_nothing(client, double, query, returning, why):
    with pytest.raises(IdTokenRefused, match=why):
        await log_in(client, double, query, returning=returning)
    assert double.count("/token") == 0


async def test_the_providers_own_refusal_is_told_apart(client, double):
    with pytest.raises(LoginDeclined) as declined:
        await log_in(client, double, {"error": "login_required"})
    assert declined.value.reason == "login_required"


async def test_a_provider_that_is_silent_on_its_issuer_may_leave_it_out(client, double):
    double.metadata = {"authorization_response_iss_parameter_supported": False}
    assert (await log_in(client, double, {"iss": None})).subject == "s-1"
    with pytest.raises(IdTokenRefused):
        await log_in(client, double, {"iss": "https://evil.example"})


async def test_a_new_key_is_fetched_and_forged_ids_ask_once_a_minute(client, double, ticks):
    await log_in(client, double)
    double.keys = [public(OTHER_EC, "k2")]
    double.make_token = lambda claims: sign(claims, OTHER_EC, "k2")
    ticks.at += REFETCH_SECONDS
    assert (await log_in(client, double)).subject == "s-1"
    assert double.count("/jwks") == 2
    double.make_token = lambda claims: sign(claims, EC, "forged")
    for _ in range(5):
        with pytest.raises(IdTokenRefused):
            await log_in(client, double)
    assert double.count("/jwks") == 2
    ticks.at += REFETCH_SECONDS
    with pytest.raises(IdTokenRefused):
        await log_in(client, double)
    assert double.count("/jwks") == 3


async def test_userinfo_of_somebody_else_is_refused(client, double):
    double.userinfo = {"sub": "s-2", "groups": ["admins"]}
    with pytest.raises(IdTokenRefused, match="somebody else"):
        await log_in(client, double)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks", "/me"])
@pytest.mark.parametrize(
    "answer",
    [
        (302, {"Location": "/elsewhere"}, b""),
        (307, {"Location": "http://169.254.169.254/latest"}, b""),
        (500, {}, b"no"),
        (200, {}, b"x" * (ANSWER_LIMIT_BYTES + 1)),
        (200, {}, b"not json"),
        (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08bomb"),
    ],
)
async def test_an_answer_that_is_none_is_the_providers_fault_and_redirects_lead_nowhere(client, double, path, answer):
    double.raw[path] = answer
    with pytest.raises(OidcFault):
        await log_in(client, double)
    assert double.count("/elsewhere") == 0


async def test_a_provider_that_is_gone_is_not_asked_by_each_login(client, double, ticks):
    double.raw["/.well-known/openid-configuration"] = (503, {}, b"")
    for _ in range(3):
        with pytest.raises(OidcFault):
            await client.provider()
    assert double.count("/.well-known/openid-configuration") == 1
    double.raw.clear()
    ticks.at += RETRY_SECONDS
    assert (await client.provider()).issuer == double.issuer

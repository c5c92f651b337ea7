"""What is believed of a provider's statement, and what is not."""

import json

import pytest
from joserfc.jwk import OKPKey
from oidc_double import EC, OTHER_EC, hs256, public, rsa, sign, unsigned

from edge.control.login.oidc.id_token import (
    GROUPS_LIMIT,
    SKEW_SECONDS,
    IdTokenRefused,
    UnknownKey,
    authenticated_at,
    parse_keys,
    stated_of,
    verify_id_token,
)
from edge.control.login.oidc.provider import ALGORITHMS, OidcFault, OidcProvider

ISSUER, NOW, NONCE = "https://login.example.com", 1_800_000_000.0, "n-1"
PROVIDER = OidcProvider(ISSUER, f"{ISSUER}/auth", f"{ISSUER}/token", f"{ISSUER}/keys", "", ALGORITHMS, True, False)
CLAIMS = {"iss": ISSUER, "aud": "edge", "sub": "s-1", "exp": NOW + 300, "iat": NOW, "nonce": NONCE}
KEYS = parse_keys(json.dumps({"keys": [public(EC), public(OTHER_EC, "k2")]}).encode())


def verify(token, keys=KEYS, now=NOW):
    return verify_id_token(token, keys, PROVIDER, "edge", NONCE, now)


def with_claims(**changed):
    return {name: value for name, value in (CLAIMS | changed).items() if value is not None}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": ["edge"]},
        {"aud": ["other", "edge"], "azp": "edge"},
        {"azp": "edge"},
        {"exp": NOW - SKEW_SECONDS + 1},
        {"iat": NOW + SKEW_SECONDS},
        {"nbf": NOW},
    ],
)
def test_a_statement_for_this_login_is_believed(changed):
    assert verify(sign(with_claims(**changed)))["sub"] == "s-1"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": f"{ISSUER}/"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": {"edge": 1}}, "aud"),
        ({"aud": ["other", "edge"]}, "azp"),
        ({"aud": ["other", "edge"], "azp": "other"}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"exp": NOW - SKEW_SECONDS}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"exp": 1e300}, "exp"),
        ({"iat": NOW + SKEW_SECONDS + 1}, "future"),
        ({"iat": None}, "iat"),
        ({"nbf": NOW + SKEW_SECONDS + 1}, "valid yet"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["n-1"]}, "nonce"),
        ({"sub": ""}, "sub"),
        ({"sub": None}, "sub"),
        ({"sub": "s" * 256}, "sub"),
    ],
)
def test_a_statement_that_fails_one_check_is_refused(changed, why):
    with pytest.raises(IdTokenRefused) as refused:
        verify(sign(with_claims(**changed)))
    assert why in refused.value.message and refused.value.code == "oidc_refused"


RSA = rsa()
PUBLIC_PEM = RSA.as_pem(private=False)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (unsigned(CLAIMS), "algorithm"),
        (hs256(CLAIMS, PUBLIC_PEM), "algorithm"),
        (sign(CLAIMS, OTHER_EC), "signature"),
        (sign(CLAIMS, RSA, alg="RS256"), "algorithm is not of its key"),
        (sign(CLAIMS)[:-4] + "AAAA", "signature"),
        (sign(CLAIMS, kid=""), "by which of the keys"),
        ("a.b.c", "not a signed token"),
        ("", "not a signed token"),
        ("é.b.c", "not a signed token"),
        ("x" * 100_000, "too long"),
    ],
)
def test_a_signature_that_is_not_the_providers_is_refused(token, why):
    with pytest.raises(IdTokenRefused) as refused:
        verify(token)
    assert why in refused.value.message


def test_an_unknown_key_is_told_apart():
    with pytest.raises(UnknownKey):
        verify(sign(CLAIMS, kid="k3"))


def test_a_public_key_is_never_a_secret():
    """HS256 with the provider's public key as the secret, where a provider would advertise HS256."""
    keys = parse_keys(json.dumps({"keys": [public(RSA), {"kty": "oct", "k": "c2VjcmV0", "kid": "k2"}]}).encode())
    assert set(keys.named) == {"k1"}
    with pytest.raises(IdTokenRefused):
        verify(hs256(CLAIMS, PUBLIC_PEM), keys)


def test_a_provider_with_one_key_need_not_name_it():
    keys = parse_keys(json.dumps({"keys": [EC.as_dict(private=False), public(RSA, "r")]}).encode())
    assert verify(sign(CLAIMS, kid=""), keys)["sub"] == "s-1"
    assert verify(sign(CLAIMS, RSA, "r", "PS256"), keys)["sub"] == "s-1"


def test_ed25519_is_known():
    key = OKPKey.generate_key("Ed25519")
    keys = parse_keys(json.dumps({"keys": [public(key)]}).encode())
    assert verify(sign(CLAIMS, key, alg="Ed25519"), keys)["sub"] == "s-1"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, {}, {"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {"kty": "EC"}]}',
        json.dumps({"keys": [public(EC, use="enc")]}).encode(),
        json.dumps({"keys": [{}] * 200}).encode(),
    ],
)
def test_keys_that_verify_nothing_are_a_fault_of_the_provider(document):
    with pytest.raises(OidcFault):
        parse_keys(document)


def test_a_short_rsa_key_is_left_out():
    with pytest.raises(OidcFault):
        parse_keys(json.dumps({"keys": [public(RSA) | {"n": "x" * 171}]}).encode())


@pytest.mark.parametrize(
    ("claims", "mail", "groups"),
    [
        ({}, "", set()),
        ({"email": "Anna@Example.com", "email_verified": True, "g": "ops"}, "anna@example.com", {"ops"}),
        ({"email": "a@b.c", "email_verified": "true", "g": ["a", "b", "a", 3, None, ""]}, "a@b.c", {"a", "b"}),
        ({"email": "a@b.c", "email_verified": False}, "", set()),
        ({"email": "a@b.c", "email_verified": 1, "g": {"a": 1}}, "", set()),
        ({"email": "a@b.c"}, "", set()),
        ({"email": ["a@b.c"], "email_verified": True}, "", set()),
        ({"email": "\N{KELVIN SIGN}ate@b.c", "email_verified": True}, "", set()),
    ],
)
def test_mail_counts_only_if_verified_and_groups_may_be_one(claims, mail, groups):
    stated = stated_of({"sub": "s-1"} | claims, ISSUER, "g")
    assert (stated.mail, stated.groups) == (mail, groups)


@pytest.mark.parametrize(
    ("stated", "at"),
    [
        ({}, 0.0),
        ({"auth_time": NOW - 900}, NOW - 900),
        ({"auth_time": NOW + SKEW_SECONDS}, NOW),
        ({"auth_time": NOW + SKEW_SECONDS + 1}, 0.0),
        ({"auth_time": str(int(NOW))}, 0.0),
        ({"auth_time": True}, 0.0),
        ({"auth_time": None}, 0.0),
        ({"auth_time": float("inf")}, 0.0),
        ({"auth_time": -1}, 0.0),
        ({"iat": NOW}, 0.0),
    ],
)
def test_when_somebody_proved_who_it_is_says_auth_time_alone(stated, at):
    assert authenticated_at(stated, NOW) == at


def test_too_many_groups_are_refused_rather_than_cut():
    with pytest.raises(IdTokenRefused):
        stated_of({"sub": "s", "g": ["x"] * (GROUPS_LIMIT + 1)}, ISSUER, "g")

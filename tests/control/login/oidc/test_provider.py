"""What a discovery document may say, and where people and this node are sent."""

import json

import pytest

from edge.control.login.oidc.provider import (
    ALGORITHMS,
    OidcFault,
    discovery_address,
    endpoint_fault,
    parse_provider,
)

ISSUER = "https://login.example.com/realms/a"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": "https://oauth.example.org/token",
    "jwks_uri": f"{ISSUER}/keys",
}


def parse(**changed):
    document = {name: value for name, value in (DOCUMENT | changed).items() if value is not None}
    return parse_provider(json.dumps(document).encode(), ISSUER)


def test_silence_means_what_the_standard_says():
    provider = parse()
    assert provider.algorithms == ("RS256",) and not provider.states_issuer and not provider.secret_in_body
    assert provider.userinfo == "" and provider.token == "https://oauth.example.org/token"


def test_what_is_offered_is_taken_from_the_allow_list():
    offered = ["none", "HS256", "ES256", "RS256"]
    assert parse(id_token_signing_alg_values_supported=offered).algorithms == ("RS256", "ES256")
    assert not {"none", "HS256", "HS384", "HS512"} & set(ALGORITHMS)
    assert parse(token_endpoint_auth_methods_supported=["client_secret_post"]).secret_in_body


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"issuer": ISSUER + "/"}, "equal to the letter"),
        ({"issuer": None}, "not a discovery document"),
        ({"token_endpoint": None}, "not a discovery document"),
        ({"jwks_uri": 7}, "not a discovery document"),
        ({"token_endpoint": "http://login.example.com/token"}, "not https"),
        ({"token_endpoint": "http://127.0.0.1/token"}, "not https"),
        ({"jwks_uri": "file:///etc/passwd"}, "not an address"),
        ({"jwks_uri": "https://user@login.example.com/keys"}, "user name"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not an address"),
        ({"authorization_endpoint": "https://login.example.com/a b"}, "not an address"),
        ({"authorization_endpoint": "https://login.example.com/#"}, "fragment"),
        ({"userinfo_endpoint": "//login.example.com"}, "not an address"),
        ({"response_types_supported": ["id_token"]}, "authorization code"),
        ({"code_challenge_methods_supported": ["plain"]}, "S256"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "signs with none"),
    ],
)
def test_a_document_that_cannot_be_used_is_a_fault_of_the_provider(changed, why):
    with pytest.raises(OidcFault) as fault:
        parse(**changed)
    assert why in fault.value.message and fault.value.code == "oidc_metadata"


@pytest.mark.parametrize("document", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_document(document):
    with pytest.raises(OidcFault):
        parse_provider(document, ISSUER)


def test_http_is_for_this_machine_alone():
    assert endpoint_fault("http://localhost:4000/token", "http://127.0.0.1:4000") == ""
    assert endpoint_fault("http://192.0.2.1/token", "http://127.0.0.1:4000") == "is not https"


def test_the_documents_address_follows_from_the_issuer():
    assert discovery_address("https://a.example/") == "https://a.example/.well-known/openid-configuration"
    assert discovery_address(ISSUER) == f"{ISSUER}/.well-known/openid-configuration"

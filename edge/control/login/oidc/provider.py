"""What an OpenID Connect provider says of itself (its discovery document). Pure.

Every address in it is one that this node or a person's browser will go to: https, unless the issuer itself is on this
machine. What is not said is what the standard makes of silence.
"""

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from edge.domain.errors import Unavailable

# Signatures by a private key of the provider. Never `none`, and no HS256: with that a public key would be a secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
ADDRESS_LIMIT = 2_048  # characters
WELL_KNOWN = "/.well-known/openid-configuration"


class OidcFault(Unavailable):
    """The provider is not there, or says what cannot be used. Codes: oidc_unreachable, oidc_metadata, oidc_keys,
    oidc_token_endpoint, oidc_userinfo."""


class OidcProvider(NamedTuple):
    """`userinfo` is "" where there is none; `states_issuer`: its answers to the browser name it (RFC 9207);
    `secret_in_body`: it takes a client's secret in no other way."""

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str
    algorithms: tuple[str, ...]
    states_issuer: bool
    secret_in_body: bool


class _Document(msgspec.Struct, kw_only=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    response_types_supported: tuple[str, ...] = ()
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False


_decoder = msgspec.json.Decoder(_Document)


def discovery_address(issuer: str) -> str:
    """OpenID Connect Discovery 4: appended to the issuer, whose last slash goes."""
    return issuer.rstrip("/") + WELL_KNOWN


def parse_provider(document: bytes, issuer: str) -> OidcProvider:
    """Raises OidcFault `oidc_metadata`."""
    try:
        said = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _fault(f"is not a discovery document: {str(error)[:200]}") from error
    if said.issuer != issuer:
        raise _fault(f"is of issuer {said.issuer[:200]!r}, not of {issuer!r}: they must be equal to the letter")
    for address in (said.authorization_endpoint, said.token_endpoint, said.jwks_uri, said.userinfo_endpoint):
        if address and (wrong := endpoint_fault(address, issuer)):
            raise _fault(f"names {address[:200]!r}: {wrong}")
    if said.response_types_supported and "code" not in said.response_types_supported:
        raise _fault("offers no authorization code flow")
    if said.code_challenge_methods_supported is not None and "S256" not in said.code_challenge_methods_supported:
        raise _fault("offers no PKCE with S256")
    algorithms = tuple(each for each in ALGORITHMS if each in said.id_token_signing_alg_values_supported)
    if not algorithms:
        raise _fault(f"signs with none of {', '.join(ALGORITHMS)}")
    methods = said.token_endpoint_auth_methods_supported
    return OidcProvider(
        issuer,
        said.authorization_endpoint,
        said.token_endpoint,
        said.jwks_uri,
        said.userinfo_endpoint,
        algorithms,
        said.authorization_response_iss_parameter_supported,
        "client_secret_basic" not in methods and "client_secret_post" in methods,
    )


def endpoint_fault(address: str, issuer: str) -> str:
    """Why nobody is sent to this address of the provider; "" if it is fine."""
    try:
        parts = urlsplit(address)
        complete = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or len(address) > ADDRESS_LIMIT or not address.isascii() or any(c <= " " for c in address):
        return "is not an address like https://login.example.com"
    if "@" in parts.netloc or "#" in address:
        return "has a user name or a fragment"
    here = is_this_machine(parts.hostname or "")
    if parts.scheme == "http" and not (here and is_this_machine(urlsplit(issuer).hostname or "")):
        return "is not https"
    return ""


def is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _fault(words: str) -> OidcFault:
    return OidcFault("oidc_metadata", f"the login provider {words}")

"""What a provider states of a person: the ID token's signature and claims. Pure: keys and time are arguments.

By OpenID Connect Core 3.1.3.7: signature by a key of the provider with an algorithm of the allow-list, `iss`, `aud`,
`azp`, `exp`, `nonce`. A person is issuer and subject, never an address of mail.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from edge.control.login.oidc.provider import OidcFault, OidcProvider
from edge.domain.errors import Unauthorized

TOKEN_LIMIT_BYTES = 64 * 1024  # a person in hundreds of groups has some 20 kB
SKEW_SECONDS = 60.0
KEYS_LIMIT = 100  # a provider has two to five
KID_LIMIT = 256
RSA_LEAST_CHARACTERS, RSA_MOST_CHARACTERS = 342, 2_731  # of a modulus: 2048 bits, and 16384, which is slow enough
SUBJECT_LIMIT = 255  # OpenID Connect Core 2: 255 ASCII characters at most
MAIL_LIMIT = 254  # RFC 5321, errata 1690
GROUPS_LIMIT = 2_000
GROUP_LIMIT = 256  # characters

VerifyingKey = RSAKey | ECKey | OKPKey
_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_KIND_OF = {"R": "RSA", "P": "RSA", "E": "EC"}  # by the first letter of the algorithm; Ed25519 is OKP's


class IdTokenRefused(Unauthorized):
    """`code` is `oidc_refused`; the message says which check failed, and nothing of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__("oidc_refused", f"the login provider's statement is refused: {reason}")


class UnknownKey(IdTokenRefused):
    """Signed by a key that is not known yet: keys change."""


class Stated(NamedTuple):
    """What is believed of a provider's statement. `mail` is "" unless the provider has verified it. `authenticated` is
    when the person last proved there who it is, in seconds since the epoch; 0 if that is not stated."""

    issuer: str
    subject: str
    mail: str
    groups: frozenset[str]
    authenticated: float = 0.0


class OidcKeys(NamedTuple):
    """Of one kind of key each, by id; `unnamed` have none."""

    named: Mapping[str, VerifyingKey]
    unnamed: Sequence[VerifyingKey]


def parse_keys(document: bytes) -> OidcKeys:
    """The keys that verify signatures; others, and those that cannot be read, are left out. Raises OidcFault
    `oidc_keys`."""
    try:
        found = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OidcFault("oidc_keys", "the login provider's keys are not JSON") from error
    if not isinstance(found, list) or len(found) > KEYS_LIMIT:
        raise OidcFault("oidc_keys", f"the login provider has no list of at most {KEYS_LIMIT} keys")
    named: dict[str, VerifyingKey] = {}
    unnamed: list[VerifyingKey] = []
    for each in found:
        key = _parse_key(each)
        if key is None:
            continue
        kid = each.get("kid")
        if isinstance(kid, str) and kid:
            named[kid[:KID_LIMIT]] = key
        else:
            unnamed.append(key)
    if not named and not unnamed:
        raise OidcFault("oidc_keys", "the login provider publishes no key that verifies signatures")
    return OidcKeys(named, unnamed)


def _parse_key(given: Any) -> VerifyingKey | None:
    """Public parts alone; never a symmetric one."""
    if not isinstance(given, dict) or given.get("use", "sig") != "sig" or not isinstance(given.get("kty"), str):
        return None
    kind = _KINDS.get(given["kty"])
    if kind is None:
        return None
    public = {name: given[name] for name in ("kty", "crv", "n", "e", "x", "y") if isinstance(given.get(name), str)}
    if kind is RSAKey and not RSA_LEAST_CHARACTERS <= len(public.get("n", "")) <= RSA_MOST_CHARACTERS:
        return None
    try:
        return kind.import_key(public)
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def verify_id_token(
    token: str, keys: OidcKeys, provider: OidcProvider, client_id: str, nonce: str, now: float
) -> Mapping[str, Any]:
    """The claims. `now` is in seconds since the epoch. Raises IdTokenRefused, UnknownKey."""
    if len(token) > TOKEN_LIMIT_BYTES:
        raise IdTokenRefused("it is too long")
    key, algorithm = _key_of(token, keys, provider.algorithms)
    try:
        claims = jwt.decode(token, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise IdTokenRefused("its signature is wrong") from error
    _check_claims(claims, provider.issuer, client_id, nonce, now)
    return claims


def _key_of(token: str, keys: OidcKeys, algorithms: Sequence[str]) -> tuple[VerifyingKey, str]:
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise IdTokenRefused("it is not a signed token") from error
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise IdTokenRefused("its algorithm is not one that is allowed")
    kind = "OKP" if algorithm.startswith("Ed") else _KIND_OF[algorithm[0]]
    if isinstance(kid, str) and kid:
        found = keys.named.get(kid)
        if found is None:
            raise UnknownKey("its key is unknown")
    else:
        fitting = [each for each in (*keys.named.values(), *keys.unnamed) if each.key_type == kind]
        if len(fitting) != 1:
            raise IdTokenRefused("it does not say by which of the keys it is signed")
        found = fitting[0]
    if found.key_type != kind:
        raise IdTokenRefused("its algorithm is not of its key")
    return found, algorithm


def _check_claims(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise IdTokenRefused("it is of another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise IdTokenRefused("it is for another client (aud)")
    party = claims.get("azp")
    if (party is None and len(audiences) > 1) or (party is not None and party != client_id):
        raise IdTokenRefused("it was issued to another client (azp)")
    if _time(claims, "exp") <= now - SKEW_SECONDS:
        raise IdTokenRefused("it has expired")
    if _time(claims, "iat") > now + SKEW_SECONDS:
        raise IdTokenRefused("it is from the future: the clocks of the provider and this node differ")
    if "nbf" in claims and _time(claims, "nbf") > now + SKEW_SECONDS:
        raise IdTokenRefused("it is not valid yet")
    stated = claims.get("nonce")
    if not isinstance(stated, str) or not hmac.compare_digest(stated.encode(), nonce.encode()):
        raise IdTokenRefused("it answers another login (nonce)")
    subject_of(claims)


def _time(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1e11:
        raise IdTokenRefused(f"it has no time in {name}")
    return float(found)


def subject_of(claims: Mapping[str, Any]) -> str:
    """Raises IdTokenRefused."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LIMIT:
        raise IdTokenRefused("it names nobody (sub)")
    return subject


def stated_of(claims: Mapping[str, Any], issuer: str, groups_claim: str, authenticated: float = 0.0) -> Stated:
    """Whom the claims of an ID token, with those of userinfo, are about."""
    groups = _groups_of(claims.get(groups_claim))
    return Stated(issuer, subject_of(claims), _mail_of(claims), groups, authenticated)


def authenticated_at(claims: Mapping[str, Any], now: float) -> float:
    """The `auth_time` of a verified ID token, `now` at the latest; 0 if there is none, or one that cannot be. It is a
    must only if `max_age` was asked for (OpenID Connect Core 2), and no login fails for want of it."""
    try:
        found = _time(claims, "auth_time")
    except IdTokenRefused:
        return 0.0
    return min(found, now) if found <= now + SKEW_SECONDS else 0.0


def _mail_of(claims: Mapping[str, Any]) -> str:
    """Some providers write true as a string. People's addresses are ASCII: of others some letters become ASCII in lower
    case (the Kelvin sign is a `k` then), and another mailbox would be a person's."""
    mail, verified = claims.get("email"), claims.get("email_verified")
    if (
        not isinstance(mail, str)
        or not mail.isascii()
        or len(mail) > MAIL_LIMIT
        or not (verified is True or verified == "true")
    ):
        return ""
    return mail.strip().lower()


def _groups_of(claim: Any) -> frozenset[str]:
    """A string is one group. Raises IdTokenRefused for too many: half of somebody's groups would be a guess."""
    given = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    if len(given) > GROUPS_LIMIT:
        raise IdTokenRefused(f"it names more than {GROUPS_LIMIT} groups: have the provider send fewer")
    return frozenset(each for each in given if isinstance(each, str) and 0 < len(each) <= GROUP_LIMIT)

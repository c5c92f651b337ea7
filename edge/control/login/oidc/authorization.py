"""The browser's part of the authorization code flow: where it is sent, and what it comes back with. Pure.

A login on its way is kept by the node (`PendingLogin`), redeemed once by its state, and only by the browser that began
it.
"""

import enum
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from edge.control.login.oidc.id_token import IdTokenRefused
from edge.control.login.oidc.provider import OidcProvider
from edge.control.login.one_time import hash_of

CODE_LIMIT = 4_096  # characters
STATE_LIMIT = 128
VERIFIER_BYTES = 48  # RFC 7636 4.1: 43 to 128 characters
_ERROR = re.compile(r"[a-z_]{1,64}")


class LoginAsk(enum.Enum):
    """What the provider is to ask of the person."""

    AS_USUAL = "as usual"
    NOTHING = "nothing"
    AGAIN = "again"  # as if it did not know the browser


_PARAMETERS = {
    LoginAsk.AS_USUAL: {},
    LoginAsk.NOTHING: {"prompt": "none"},
    LoginAsk.AGAIN: {"prompt": "login", "max_age": "0"},  # with max_age, `auth_time` must be stated (Core 3.1.2.1)
}


class PendingLogin(NamedTuple):
    """One that was sent to the provider. `browser` is the hash of what only that browser has; `after` is where it goes
    then; `purpose` is what it is for."""

    issuer: str
    nonce: str
    verifier: str
    browser: str
    redirect: str
    after: str
    purpose: str = ""


class LoginDeclined(IdTokenRefused):
    """The provider said no; `reason` is its own code, as `access_denied` or `login_required`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"it answered {reason}")
        self.reason = reason


def begin_login(issuer: str, redirect: str, after: str, browser: str, purpose: str = "") -> PendingLogin:
    """`browser` is a secret that the browser gets in a cookie."""
    verifier, nonce = secrets.token_urlsafe(VERIFIER_BYTES), secrets.token_urlsafe(32)
    return PendingLogin(issuer, nonce, verifier, hash_of(browser), redirect, after, purpose)


def authorization_address(
    provider: OidcProvider,
    client_id: str,
    scopes: str,
    pending: PendingLogin,
    state: str,
    asking: LoginAsk = LoginAsk.AS_USUAL,
) -> str:
    """Where the browser goes."""
    address: str = prepare_grant_uri(
        provider.authorization,
        client_id,
        "code",
        redirect_uri=pending.redirect,
        scope=scopes,
        state=state,
        nonce=pending.nonce,
        code_challenge=create_s256_code_challenge(pending.verifier),
        code_challenge_method="S256",
        **_PARAMETERS[asking],
    )
    return address


def check_return(query: Mapping[str, str], pending: PendingLogin, provider: OidcProvider, browser: str) -> str:
    """The code of a browser that came back with a state that was open. Raises IdTokenRefused, LoginDeclined."""
    if not browser or not hmac.compare_digest(hash_of(browser), pending.browser):
        raise IdTokenRefused("another browser began this login")
    stated = query.get("iss")
    if (stated is None and provider.states_issuer) or (stated is not None and stated != pending.issuer):
        raise IdTokenRefused("the answer is of another provider (iss)")  # RFC 9207: mix-up
    if (error := query.get("error")) is not None:
        raise LoginDeclined(error if _ERROR.fullmatch(error) else "an error")
    code = query.get("code", "")
    if not 0 < len(code) <= CODE_LIMIT:
        raise IdTokenRefused("the answer has no code")
    return code

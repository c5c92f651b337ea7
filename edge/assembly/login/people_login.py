"""Every way in for people, as the node's configuration has them."""

import time
from pathlib import Path
from urllib.parse import urlsplit

from edge.config import Config
from edge.control.access.people import People
from edge.control.access.shared_document import SharedDocument
from edge.control.login.accounts import Accounts
from edge.control.login.credential_document import CredentialDocument
from edge.control.login.oidc.client import OidcClient, OidcRegistration
from edge.control.login.oidc_login import OidcLogin
from edge.control.login.passkey_login import PasskeyLogin
from edge.control.login.passwords.hashing import Passwords
from edge.control.login.passwords.password_login import PasswordLogin
from edge.control.login.people_login import PeopleLogin
from edge.control.login.region_credentials import IDENTITIES_FILE, RegionCredentials
from edge.domain.errors import Unavailable
from edge.store.secrets.secret_box import SecretBox

SECRET_LIMIT_BYTES = 4_096


def build_people_login(
    config: Config, people: People, credentials: SharedDocument[CredentialDocument], secrets: SecretBox
) -> PeopleLogin:
    """Raises Unavailable `oidc_secret`."""
    accounts = Accounts(people, credentials, time.time)
    return PeopleLogin(
        accounts=accounts,
        passwords=PasswordLogin(accounts, secrets, Passwords(), time.monotonic),
        passkeys=PasskeyLogin(accounts),
        oidc=_oidc(config, accounts),
        public_url=config.login.public_url,
    )


def build_region_login(config: Config, people: People) -> PeopleLogin:
    """By the provider alone: passwords and passkeys stay on the origin. Raises Unavailable `oidc_secret`."""
    accounts = Accounts(people, RegionCredentials(config.node_dir / IDENTITIES_FILE), time.time)
    return PeopleLogin(accounts=accounts, oidc=_oidc(config, accounts), public_url=config.login.public_url)


def page_hosts(config: Config) -> list[str]:
    """The name of `login.public_url`: the page answers to it."""
    host = urlsplit(config.login.public_url).hostname
    return [host] if host else []


def _oidc(config: Config, accounts: Accounts) -> OidcLogin | None:
    options = config.login.oidc
    if not options.issuer:
        return None
    secret = read_client_secret(Path(options.client_secret_file)) if options.client_secret_file else ""
    registration = OidcRegistration(
        options.issuer, options.client_id, secret, " ".join(options.scopes), options.groups_claim
    )
    return OidcLogin(accounts, OidcClient(registration))


def read_client_secret(file: Path) -> str:
    """Raises Unavailable `oidc_secret`."""
    try:
        with file.open("rb") as stream:
            secret = stream.read(SECRET_LIMIT_BYTES + 1).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable("oidc_secret", f"login.oidc.client_secret_file: {file} cannot be read: {error}") from error
    if not secret or len(secret) > SECRET_LIMIT_BYTES:
        raise Unavailable("oidc_secret", f"login.oidc.client_secret_file: {file} holds no secret")
    return secret

"""Files that look like secrets, by name and by content: everyone who has the app can read a published file.

Names are the usual ones of keys and credentials. Content is searched for whole keys and tokens; a marker alone, which
libraries for keys contain, is not a secret.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from edge.bundles.chunks import read_chunks
from edge.bundles.compressed_kinds import COMPRESSED_SUFFIXES
from edge.bundles.sources.files import SourceFile
from edge.domain.errors import Invalid

SHOWN = 10  # files named in one refusal
SMALL_BYTES = 256 * 1024  # a file of credentials; a larger one is code or data
OVERLAP_BYTES = 512  # of two pieces of a file, so that a secret across both is found

_KEY_NAMES = (
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.p12", "*.pfx", "*.p8", "*.jks", "*.keystore", "*.ppk", "*.key"),
    *("*.mobileprovision", ".capgo_key_v2", ".capgo_key", "*.kdbx", "*.gpg"),
)
_CREDENTIAL_NAMES = (
    *("google-services.json", "googleservice-info.plist", "*firebase-adminsdk*.json", "service-account*.json"),
    *("service_account*.json", "serviceaccount*.json", "credentials", "credentials.json", "client_secret*.json"),
    *(".env", ".env.*", ".envrc"),
    *(".netrc", ".pypirc", ".htpasswd", ".git-credentials", ".pgpass", ".dockercfg", ".vault-token", "admin.token"),
)
_NPM_NAMES = (".npmrc", ".yarnrc", ".yarnrc.yml")
_NPM_SECRET = re.compile(rb"(?:_authToken|_auth|_password|npmAuthToken|npmAuthIdent)['\"]?\s*[=:]\s*['\"]?(?!\$)\S")

_PRIVATE_KEY = re.compile(
    # Line ends as in a file or as escaped in JSON; a line or two of headers if the key is encrypted.
    rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\s|\\[nr]|[A-Za-z-]{2,20}: [^\n\\]{1,60}){1,20}[A-Za-z0-9+/]{40}"
)
_TOKENS = (
    ("a GitHub token", b"gh", re.compile(rb"\b(?:ghp|gho|ghs|ghu|ghr)_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{60,}")),
    ("a GitLab token", b"glpat-", re.compile(rb"\bglpat-[A-Za-z0-9_-]{20,}")),
    ("an npm token", b"npm_", re.compile(rb"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a Slack token", b"xox", re.compile(rb"\bxox[bpas]-[0-9]{8,}-[A-Za-z0-9-]{16,}")),
    ("a Stripe secret key", b"k_live_", re.compile(rb"\b[sr]k_live_[A-Za-z0-9]{20,}")),
    ("an access token of a node", b"edge_", re.compile(rb"\bedge_[A-Za-z0-9_-]{43}\b")),
)


def check_suspects(files: Iterable[SourceFile], included: frozenset[str]) -> None:
    """Raises Invalid `suspect_files`, naming each with the reason, unless all of them were `included` by name."""
    found = [(file.name, why) for file in files if file.name not in included and (why := suspicion(file))]
    if not found:
        return
    listed = ", ".join(f"{name!r} ({why})" for name, why in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise Invalid(
        "suspect_files",
        f"these files look like secrets: {listed}{more}. Leave each out with --exclude NAME (or in .edgeignore), "
        "or publish it anyway with --include NAME",
    )


def suspicion(file: SourceFile) -> str:
    """Why a file looks like a secret; "" if it does not."""
    base = file.name.rpartition("/")[2].lower()
    if _is_named(base, _KEY_NAMES):
        return "a private key, by its name"
    if _is_named(base, _CREDENTIAL_NAMES):
        return "credentials, by its name"
    if base in _NPM_NAMES and _NPM_SECRET.search(_start(file.path)):
        return "a token for a package registry"
    if base.endswith(".pem") and not _is_public(_start(file.path)):
        return "a private key, by its name"
    if base.endswith(tuple(COMPRESSED_SUFFIXES)):
        return ""
    if base.endswith(".json") and file.bytes <= SMALL_BYTES and _is_service_account(_start(file.path)):
        return "a service account's key"
    return _secret_inside(file.path)


def _is_named(base: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(base, pattern) for pattern in patterns)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SMALL_BYTES)


def _is_public(content: bytes) -> bool:
    """Whether there are only certificates and public keys, which apps pin."""
    kinds = set(re.findall(rb"-----BEGIN ([A-Z0-9 ]+)-----", content))
    return bool(kinds) and all(kind.endswith((b"CERTIFICATE", b"PUBLIC KEY")) for kind in kinds)


def _is_service_account(content: bytes) -> bool:
    return b'"private_key"' in content and re.search(rb'"type"\s*:\s*"service_account"', content) is not None


def _secret_inside(path: Path) -> str:
    for piece in _pieces(path):
        if b"PRIVATE KEY" in piece and _PRIVATE_KEY.search(piece):
            return "it contains a private key"
        for what, sign, pattern in _TOKENS:
            if sign in piece and pattern.search(piece):
                return f"it contains {what}"
    return ""


def _pieces(path: Path) -> Iterator[bytes]:
    """The file's chunks, each with the end of the one before it."""
    end = b""
    for chunk in read_chunks(path):
        yield end + chunk
        end = chunk[-OVERLAP_BYTES:]

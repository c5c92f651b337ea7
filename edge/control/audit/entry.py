"""What is recorded of one act: who, from where, which operation on what, and how it ended. Pure.

No body, no secret, and no device id is ever in one: a device is named by a digest of its id.
"""

import enum
import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping

import msgspec

TEXT_LIMIT = 256  # characters of any field: an app, a channel and a version fit
TARGET_LIMIT = 1_000  # a role's permissions, a person's roles
ADDRESS_LIMIT = 64
DEVICE_DIGITS = 16  # of the digest that stands for a device: nobody guesses a random UUID from it
IPV4_PREFIX, IPV6_PREFIX = 24, 48  # what is kept of an address where the whole one is not: a small network's
BROKEN = "audit_broken"  # what a node records that finds less of its chain than it had
# Of a body, only these say whom or what an operation is about, and none of them is ever a secret.
NAMED_FIELDS = (
    *("name", "role", "roles", "app", "version", "channel", "bundle", "segment", "when"),
    *("person", "mail", "organisation", "group", "scope", "scopes", "networks", "permissions", "holds", "to"),
)
_DEVICE = re.compile(r"[\w.:-]+")  # which a cap of one device, such as 3/week, is not
_PLAIN = re.compile(r"[\w.@:/,+*-]+")


class ActKind(enum.Enum):
    """What sort of act it is."""

    CHANGE = "change"  # of an app or of what is known of its devices
    ACCESS = "access"  # tokens, people, roles, credentials, keys
    LOGIN = "login"
    LOGOUT = "logout"
    EXPORT = "export"
    ERASURE = "erasure"
    AUDIT = "audit"  # the audit itself was read
    NODE = "node"  # of the node: its store, webhooks, other nodes; and what befell the audit
    READ = "read"  # recorded only if it was refused


class ActOutcome(enum.Enum):
    """How it ended."""

    DONE = "done"
    WAITING = "waiting"  # for approval: a proposal was made
    REFUSED = "refused"  # `code` says why
    FAILED = "failed"  # by the node's own fault, or for want of something
    UNKNOWN = "unknown"  # it was cut off: the change may have been made


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`at` is in seconds since the epoch. `who` is a token or a person that is known, "" for nobody known; `change` is
    the command's id, or one of the act's own, and `revision` what it made of `app`. An entry for several of the same
    kind has their `count`, and in `since` when the first was; so has what is recorded late."""

    at: float
    kind: ActKind
    operation: str
    outcome: ActOutcome = ActOutcome.DONE
    who: str = ""
    address: str = ""
    code: str = ""
    app: str = ""
    target: str = ""
    revision: int = 0
    change: str = ""
    page: bool = False  # asked by the page, for who is signed in
    count: int = 1
    since: float = 0.0

    @property
    def is_refusal(self) -> bool:
        return self.outcome in (ActOutcome.REFUSED, ActOutcome.FAILED)

    @property
    def is_strangers(self) -> bool:
        """Refused to nobody known, or a login that failed: anybody can try to be somebody who is known."""
        return self.outcome is ActOutcome.REFUSED and (not self.who or self.kind is ActKind.LOGIN)

    @property
    def repeats(self) -> bool:
        """Whether somebody could have as many of these recorded as they like, with nothing to show for it."""
        return self.is_refusal or self.kind in (ActKind.LOGIN, ActKind.LOGOUT, ActKind.EXPORT, ActKind.AUDIT)


def within_limits(entry: AuditEntry) -> AuditEntry:
    """The entry with its texts cut, and its times to the millisecond."""
    texts = ("operation", "who", "code", "app", "change")
    cut = {name: shown(getattr(entry, name), TEXT_LIMIT) for name in texts}
    cut["target"] = shown(entry.target, TARGET_LIMIT)
    times = {"at": round(entry.at, 3), "since": round(entry.since, 3)}
    return msgspec.structs.replace(entry, **cut, **times, address=shown(entry.address, ADDRESS_LIMIT))


def shown(text: str, limit: int) -> str:
    """On one line, and without what could not be stored."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:limit])


def target_of(parts: Mapping[str, str], body: object) -> str:
    """What an operation is about besides its app: the parts of its address and what of its body is named."""
    told = {name: _told(name, value) for name, value in parts.items() if name != "app"}
    for name in NAMED_FIELDS:
        value = getattr(body, name, None)
        if value and name not in told:
            several = value if isinstance(value, list | tuple) else [value]
            told[name] = ",".join(filter(None, map(_text_of, several)))
    device = getattr(body, "device", None)
    if isinstance(device, str) and _DEVICE.fullmatch(device) and "device" not in told:
        told["device"] = device_digest(device)
    return " ".join(f"{name}={_quoted(value)}" for name, value in told.items() if value)


def _text_of(value: object) -> str:
    """Of a text, a choice, or a role that is held somewhere; "" for anything else."""
    if isinstance(value, enum.Enum):
        value = value.value
    role, scope = getattr(value, "role", ""), getattr(value, "scope", "")
    if isinstance(role, str) and isinstance(scope, str) and role and scope:
        return f"{role}:{scope}"
    return value if isinstance(value, str) else ""


def _quoted(value: str) -> str:
    """In quotation marks if it could be taken for more than one word: what was refused may be any text."""
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def device_digest(device: str) -> str:
    """What stands for a device: who has its id can find its records, and nobody can find the id."""
    return hashlib.sha256(f"edge-audit-device\n{device.lower()}".encode()).hexdigest()[:DEVICE_DIGITS]


def network_of(address: str) -> str:
    """The network of an address, for who keeps no whole one; "" for what is no address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    prefix = IPV4_PREFIX if found.version == 4 else IPV6_PREFIX
    return str(ipaddress.ip_network(f"{found}/{prefix}", strict=False))


def _told(name: str, value: str) -> str:
    return device_digest(value) if name == "device" else value

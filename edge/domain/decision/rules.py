"""The rules that can keep a device where it is, in their one normative order (device-protocol §1.4, 18 and 20-32).

Each row says on which channels it can fire at all, so that a snapshot keeps only those a check has to ask, and what
it looks at, so that `explain` shows the very values that the decision used.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge.domain.decision.outcomes import Reason
from edge.domain.manifest_forms import sent_as
from edge.domain.model import Bundle, Channel, PlainWithKey, Platform, Policy, Sent, UpdateCheck
from edge.domain.versions import UNNUMBERED, Version

Inputs = Mapping[str, object]


class Target(NamedTuple):
    """What a channel points its devices at, with the versions parsed once, at publish."""

    channel: Channel
    bundle: Bundle | None  # None: builtin
    version: Version | None  # None: builtin, which the version rules skip
    min_native: Version | None
    max_native: Version | None
    manifest_lost: bool = False  # this node cannot read the bundle's manifest

    def runs_on(self, native: Version) -> bool:
        """Whether the bundle says that it runs in this native version."""
        return (self.min_native is None or self.min_native <= native) and (
            self.max_native is None or native <= self.max_native
        )


class Rule(NamedTuple):
    reason: Reason
    can_fire: Callable[[Target], bool]
    blocks: Callable[[UpdateCheck, Target, bool], bool]  # the flag: the channel was assigned, not chosen
    sees: Callable[[UpdateCheck, Target, bool], Inputs]


def _key_id_differs(check: UpdateCheck, target: Target, assigned: bool) -> bool:
    # Old plugins send the first 4 characters of a key id, newer ones 20: compare what both sides have.
    ours = target.bundle.encryption.key_id if target.bundle and target.bundle.encryption else ""
    return bool(ours and check.key_id) and not (ours.startswith(check.key_id) or check.key_id.startswith(ours))


def _is_encrypted(target: Target) -> bool:
    return target.bundle is not None and target.bundle.encryption is not None


def _is_plain(target: Target) -> bool:
    return target.bundle is not None and target.bundle.encryption is None


def _refuses_plain(check: UpdateCheck, target: Target, assigned: bool) -> bool:
    if not check.key_id or target.bundle is None:
        return False
    match check.plugin.plain_with_key:
        case PlainWithKey.ACCEPTED:
            return False
        case PlainWithKey.MANIFEST_ONLY:
            return sent_as(target.bundle, check.plugin.manifest) is Sent.ZIP
        case PlainWithKey.REFUSED:
            return True


def _plain_forms(check: UpdateCheck, target: Target, assigned: bool) -> Inputs:
    return {
        "device key_id": check.key_id,
        "plain bundles": check.plugin.plain_with_key.value,
        "sent as": _form_sent(check, target),
    }


def _form_sent(check: UpdateCheck, target: Target) -> str:
    sent = sent_as(target.bundle, check.plugin.manifest) if target.bundle else Sent.ZIP
    return "zip" if sent is Sent.ZIP else "manifest"


def _key_ids(check: UpdateCheck, target: Target, assigned: bool) -> Inputs:
    encryption = target.bundle.encryption if target.bundle else None
    return {"device key_id": check.key_id, "bundle key_id": encryption.key_id if encryption else ""}


def _versions(check: UpdateCheck, target: Target, assigned: bool) -> Inputs:
    return {
        "policy": target.channel.policy.value,
        "bundle": target.bundle.version if target.bundle else "builtin",
        "native": check.version_build,
    }


def _native_range(check: UpdateCheck, target: Target, assigned: bool) -> Inputs:
    bundle = target.bundle
    return {
        "min native": bundle.min_native if bundle else "",
        "max native": bundle.max_native if bundle else "",
        "native": check.version_build,
    }


def _differs(check: UpdateCheck, target: Target, numbers: int) -> bool:
    return target.version is not None and target.version[:numbers] != check.native[:numbers]


def _platform_rule(reason: Reason, platform: Platform) -> Rule:
    return Rule(
        reason,
        can_fire=lambda target: not target.channel.serves(platform),
        blocks=lambda check, target, assigned: check.platform is platform,
        sees=lambda check, target, assigned: {
            "platform": check.platform.value,
            f"channel {platform.value}": target.channel.serves(platform),
        },
    )


def _audience_rule(reason: Reason, flag: str, fact: str, value: bool) -> Rule:
    """Blocks devices whose `fact` equals `value` where the channel's `flag` is off."""
    return Rule(
        reason,
        can_fire=lambda target: not getattr(target.channel, flag),
        blocks=lambda check, target, assigned: getattr(check, fact) is value,
        sees=lambda check, target, assigned: {
            fact: getattr(check, fact),
            f"channel {flag}": getattr(target.channel, flag),
        },
    )


def _policy_rule(reason: Reason, policy: Policy, blocks: Callable[[UpdateCheck, Target, bool], bool]) -> Rule:
    return Rule(
        reason,
        can_fire=lambda target: target.version is not None and target.channel.policy is policy,
        blocks=blocks,
        sees=_versions,
    )


KEY_RULES = (
    Rule(Reason.KEY_ID_MISMATCH, _is_encrypted, _key_id_differs, _key_ids),
    Rule(
        Reason.ENCRYPTION_UNSUPPORTED,
        can_fire=_is_encrypted,
        blocks=lambda check, target, assigned: not check.plugin.reads_v3,
        sees=lambda check, target, assigned: {
            "plugin": check.plugin.version,
            "reads the encryption": check.plugin.reads_v3,
        },
    ),
    Rule(
        Reason.KEY_ID_MISSING,
        can_fire=_is_encrypted,
        # It could only download what it cannot read, and report that as a failure. Releases that never send a key id
        # may hold one: what they cannot tell does not keep them from the bundle.
        blocks=lambda check, target, assigned: check.plugin.sends_key_id and not check.key_id,
        sees=lambda check, target, assigned: {
            "device key_id": check.key_id,
            "plugin sends key ids": check.plugin.sends_key_id,
        },
    ),
    Rule(
        Reason.ENCRYPTION_REQUIRED,
        can_fire=_is_plain,
        blocks=_refuses_plain,
        sees=_plain_forms,
    ),
)

CHANNEL_RULES = (
    _platform_rule(Reason.DISABLED_IOS, Platform.IOS),
    _platform_rule(Reason.DISABLED_ANDROID, Platform.ANDROID),
    _platform_rule(Reason.DISABLED_ELECTRON, Platform.ELECTRON),
    Rule(
        Reason.UNNUMBERED_NATIVE,
        # No policy, no comparison: 0.0.0 is as good as any number.
        can_fire=lambda target: target.version is not None and target.channel.policy is not Policy.NONE,
        blocks=lambda check, target, assigned: check.native == UNNUMBERED,
        sees=_versions,
    ),
    _policy_rule(
        Reason.MAJOR,
        Policy.MAJOR,
        lambda check, target, assigned: target.version is not None and target.version.major > check.native.major,
    ),
    Rule(
        Reason.PRIVATE_CHANNEL,
        can_fire=lambda target: not (target.channel.self_set or target.channel.public),
        blocks=lambda check, target, assigned: not assigned,
        sees=lambda check, target, assigned: {"public": False, "self-set": False, "assigned": assigned},
    ),
    _policy_rule(Reason.MINOR, Policy.MINOR, lambda check, target, assigned: _differs(check, target, 2)),
    _policy_rule(Reason.PATCH, Policy.PATCH, lambda check, target, assigned: _differs(check, target, 3)),
    _policy_rule(
        Reason.MISCONFIGURED, Policy.VERSION_NUMBER, lambda check, target, assigned: target.min_native is None
    ),
    _policy_rule(
        Reason.METADATA,
        Policy.VERSION_NUMBER,
        lambda check, target, assigned: target.min_native is not None and target.min_native > check.native,
    ),
    Rule(
        Reason.BELOW_MINIMUM,
        can_fire=lambda target: target.min_native is not None and target.channel.policy is not Policy.VERSION_NUMBER,
        blocks=lambda check, target, assigned: target.min_native is not None and target.min_native > check.native,
        sees=_native_range,
    ),
    Rule(
        Reason.ABOVE_MAXIMUM,
        can_fire=lambda target: target.max_native is not None,
        blocks=lambda check, target, assigned: target.max_native is not None and target.max_native < check.native,
        sees=_native_range,
    ),
    Rule(
        Reason.UNDER_NATIVE,
        can_fire=lambda target: target.version is not None and target.channel.block_under_native,
        blocks=lambda check, target, assigned: target.version is not None and target.version < check.native,
        sees=_versions,
    ),
    _audience_rule(Reason.PROD_BUILD, "prod", "is_prod", True),
    _audience_rule(Reason.DEV_BUILD, "dev", "is_prod", False),
    _audience_rule(Reason.DEVICE, "device", "is_emulator", False),
    _audience_rule(Reason.EMULATOR, "emulator", "is_emulator", True),
)

# Of this node alone, after all that the release itself decides: another node may offer the same bundle.
NODE_RULES = (
    Rule(
        Reason.MANIFEST_LOST,
        can_fire=lambda target: target.manifest_lost,
        # A zip is offered without its manifest.
        blocks=lambda check, target, assigned: (
            target.bundle is not None and sent_as(target.bundle, check.plugin.manifest) is not Sent.ZIP
        ),
        sees=lambda check, target, assigned: {
            "manifest": target.bundle.manifest if target.bundle else "",
            "sent as": _form_sent(check, target),
        },
    ),
)

"""The rules that can keep a device from a bundle, in their normative order (PROTOCOL.md §1.4, 18 and 20-32).

Each rule states on which candidates it can fire at all, so that a snapshot keeps only those a check has to evaluate,
and which values it reads, so that `explain` shows what the decision used.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge.domain.decision.outcomes import Reason
from edge.domain.forms.manifest_forms import ChosenForms, sent_to
from edge.domain.model import Bundle, Channel, Platform, Policy, UpdateCheck
from edge.domain.plugin import PlainWithKey, Sent
from edge.domain.versions import UNNUMBERED, Version

Inputs = Mapping[str, object]  # the values that a rule or a step reads, by snake_case name


class Candidate(NamedTuple):
    """A bundle on a channel as the rules see it, with its versions parsed once, at publish."""

    channel: Channel
    bundle: Bundle | None  # None: builtin
    version: Version | None  # None: builtin, which version rules skip
    min_native: Version | None
    max_native: Version | None
    manifest_lost: bool = False  # this node cannot read the bundle's manifest, or a file that it names
    zip_lost: bool = False  # nor its zip
    forms: ChosenForms | None = None  # None: files, where they can be sent

    def sent_to(self, check: UpdateCheck) -> Sent:
        """The form that the device gets the bundle in."""
        return Sent.ZIP if self.bundle is None else sent_to(self.bundle, self.forms, check)

    def runs_on(self, native: Version) -> bool:
        """Whether the bundle's native range includes this version."""
        return (self.min_native is None or self.min_native <= native) and (
            self.max_native is None or native <= self.max_native
        )


class Rule(NamedTuple):
    """One row of the table. The flag that `blocks` and `inputs` take: the channel was assigned, by an override or a
    segment, rather than chosen by the device or public."""

    reason: Reason
    can_fire: Callable[[Candidate], bool]
    blocks: Callable[[UpdateCheck, Candidate, bool], bool]
    inputs: Callable[[UpdateCheck, Candidate, bool], Inputs]


def _key_id_differs(check: UpdateCheck, candidate: Candidate, assigned: bool) -> bool:
    # Old plugins send the first 4 characters of a key id, newer ones 20: compare what both have.
    ours = candidate.bundle.encryption.key_id if candidate.bundle and candidate.bundle.encryption else ""
    return bool(ours and check.key_id) and not (ours.startswith(check.key_id) or check.key_id.startswith(ours))


def _is_encrypted(candidate: Candidate) -> bool:
    return candidate.bundle is not None and candidate.bundle.encryption is not None


def _is_plain(candidate: Candidate) -> bool:
    return candidate.bundle is not None and candidate.bundle.encryption is None


def _refuses_plain(check: UpdateCheck, candidate: Candidate, assigned: bool) -> bool:
    if not check.key_id or candidate.bundle is None:
        return False
    match check.plugin.plain_with_key:
        case PlainWithKey.ACCEPTED:
            return False
        case PlainWithKey.MANIFEST_ONLY:
            return candidate.sent_to(check) is Sent.ZIP
        case PlainWithKey.REFUSED:
            return True


def _plain_forms(check: UpdateCheck, candidate: Candidate, assigned: bool) -> Inputs:
    return {
        "device_key_id": check.key_id,
        "plain_bundles": check.plugin.plain_with_key.value,
        "sent_as": _form_sent(check, candidate),
    }


def _form_sent(check: UpdateCheck, candidate: Candidate) -> str:
    return "zip" if candidate.sent_to(check) is Sent.ZIP else "manifest"


def _key_ids(check: UpdateCheck, candidate: Candidate, assigned: bool) -> Inputs:
    encryption = candidate.bundle.encryption if candidate.bundle else None
    return {"device_key_id": check.key_id, "bundle_key_id": encryption.key_id if encryption else ""}


def _versions(check: UpdateCheck, candidate: Candidate, assigned: bool) -> Inputs:
    return {
        "policy": candidate.channel.policy.value,
        "bundle": candidate.bundle.version if candidate.bundle else "builtin",
        "native": check.version_build,
    }


def _native_range(check: UpdateCheck, candidate: Candidate, assigned: bool) -> Inputs:
    bundle = candidate.bundle
    return {
        "min_native": bundle.min_native if bundle else "",
        "max_native": bundle.max_native if bundle else "",
        "native": check.version_build,
    }


def _differs(check: UpdateCheck, candidate: Candidate, numbers: int) -> bool:
    return candidate.version is not None and candidate.version[:numbers] != check.native[:numbers]


def _platform_rule(reason: Reason, platform: Platform) -> Rule:
    return Rule(
        reason,
        can_fire=lambda candidate: not candidate.channel.serves(platform),
        blocks=lambda check, candidate, assigned: check.platform is platform,
        inputs=lambda check, candidate, assigned: {
            "platform": check.platform.value,
            f"channel_{platform.value}": candidate.channel.serves(platform),
        },
    )


def _audience_rule(reason: Reason, flag: str, fact: str, value: bool) -> Rule:
    """Block devices whose `fact` equals `value` where the channel's `flag` is off."""
    return Rule(
        reason,
        can_fire=lambda candidate: not getattr(candidate.channel, flag),
        blocks=lambda check, candidate, assigned: getattr(check, fact) is value,
        inputs=lambda check, candidate, assigned: {
            fact: getattr(check, fact),
            f"channel_{flag}": getattr(candidate.channel, flag),
        },
    )


def _policy_rule(reason: Reason, policy: Policy, blocks: Callable[[UpdateCheck, Candidate, bool], bool]) -> Rule:
    return Rule(
        reason,
        can_fire=lambda candidate: candidate.version is not None and candidate.channel.policy is policy,
        blocks=blocks,
        inputs=_versions,
    )


KEY_RULES = (
    Rule(Reason.KEY_ID_MISMATCH, _is_encrypted, _key_id_differs, _key_ids),
    Rule(
        Reason.ENCRYPTION_UNSUPPORTED,
        can_fire=_is_encrypted,
        blocks=lambda check, candidate, assigned: not check.plugin.reads_v3,
        inputs=lambda check, candidate, assigned: {
            "plugin": check.plugin.version,
            "reads_encryption": check.plugin.reads_v3,
        },
    ),
    Rule(
        Reason.KEY_ID_MISSING,
        can_fire=_is_encrypted,
        # The device would download what it cannot read and report a failure. Releases that never send a key id may
        # still hold a key, so they are not blocked.
        blocks=lambda check, candidate, assigned: check.plugin.sends_key_id and not check.key_id,
        inputs=lambda check, candidate, assigned: {
            "device_key_id": check.key_id,
            "sends_key_id": check.plugin.sends_key_id,
        },
    ),
    Rule(
        Reason.ENCRYPTION_REQUIRED,
        can_fire=_is_plain,
        blocks=_refuses_plain,
        inputs=_plain_forms,
    ),
)

CHANNEL_RULES = (
    _platform_rule(Reason.DISABLED_IOS, Platform.IOS),
    _platform_rule(Reason.DISABLED_ANDROID, Platform.ANDROID),
    _platform_rule(Reason.DISABLED_ELECTRON, Platform.ELECTRON),
    Rule(
        Reason.UNNUMBERED_NATIVE,
        # Without a policy nothing is compared, so a missing number does not matter.
        can_fire=lambda candidate: candidate.version is not None and candidate.channel.policy is not Policy.NONE,
        blocks=lambda check, candidate, assigned: check.native == UNNUMBERED,
        inputs=_versions,
    ),
    _policy_rule(
        Reason.MAJOR,
        Policy.MAJOR,
        lambda check, candidate, assigned: (
            candidate.version is not None and candidate.version.major > check.native.major
        ),
    ),
    Rule(
        Reason.PRIVATE_CHANNEL,
        can_fire=lambda candidate: not (candidate.channel.self_set or candidate.channel.public),
        blocks=lambda check, candidate, assigned: not assigned,
        inputs=lambda check, candidate, assigned: {"public": False, "self_set": False, "assigned": assigned},
    ),
    _policy_rule(Reason.MINOR, Policy.MINOR, lambda check, candidate, assigned: _differs(check, candidate, 2)),
    _policy_rule(Reason.PATCH, Policy.PATCH, lambda check, candidate, assigned: _differs(check, candidate, 3)),
    _policy_rule(
        Reason.MISCONFIGURED, Policy.VERSION_NUMBER, lambda check, candidate, assigned: candidate.min_native is None
    ),
    _policy_rule(
        Reason.METADATA,
        Policy.VERSION_NUMBER,
        lambda check, candidate, assigned: candidate.min_native is not None and candidate.min_native > check.native,
    ),
    Rule(
        Reason.BELOW_MINIMUM,
        can_fire=lambda candidate: (
            candidate.min_native is not None and candidate.channel.policy is not Policy.VERSION_NUMBER
        ),
        blocks=lambda check, candidate, assigned: (
            candidate.min_native is not None and candidate.min_native > check.native
        ),
        inputs=_native_range,
    ),
    Rule(
        Reason.ABOVE_MAXIMUM,
        can_fire=lambda candidate: candidate.max_native is not None,
        blocks=lambda check, candidate, assigned: (
            candidate.max_native is not None and candidate.max_native < check.native
        ),
        inputs=_native_range,
    ),
    Rule(
        Reason.UNDER_NATIVE,
        can_fire=lambda candidate: candidate.version is not None and candidate.channel.block_under_native,
        blocks=lambda check, candidate, assigned: candidate.version is not None and candidate.version < check.native,
        inputs=_versions,
    ),
    _audience_rule(Reason.PROD_BUILD, "prod", "is_prod", True),
    _audience_rule(Reason.DEV_BUILD, "dev", "is_prod", False),
    _audience_rule(Reason.DEVICE, "device", "is_emulator", False),
    _audience_rule(Reason.EMULATOR, "emulator", "is_emulator", True),
)

# Faults of this node alone, after everything that the release itself decides: another node may offer the same bundle.
NODE_RULES = (
    Rule(
        Reason.MANIFEST_LOST,
        can_fire=lambda candidate: candidate.manifest_lost,
        # A zip is offered without its manifest.
        blocks=lambda check, candidate, assigned: candidate.sent_to(check) is not Sent.ZIP,
        inputs=lambda check, candidate, assigned: {
            "manifest": candidate.bundle.manifest if candidate.bundle else "",
            "sent_as": _form_sent(check, candidate),
        },
    ),
    Rule(
        Reason.ZIP_LOST,
        can_fire=lambda candidate: candidate.zip_lost,
        blocks=lambda check, candidate, assigned: candidate.bundle is not None and candidate.sent_to(check) is Sent.ZIP,
        inputs=lambda check, candidate, assigned: {
            "zip": candidate.bundle.zip if candidate.bundle else "",
            "sent_as": _form_sent(check, candidate),
        },
    ),
)

"""What a plugin release can take, as far as the decision depends on it."""

import enum
from typing import NamedTuple

from edge.domain.file_names import NameRules


class PlainWithKey(enum.Enum):
    """Which plain bundles a release takes on a device that holds a public key (PROTOCOL.md §11.5)."""

    REFUSED = "refused"
    MANIFEST_ONLY = "manifest_only"
    ACCEPTED = "accepted"


class Sent(enum.Enum):
    """The form in which a device gets a bundle (PROTOCOL.md §5.1, §5.7)."""

    ZIP = "zip"
    PACKED = "packed"  # a manifest; compressed files have the suffix `.br`
    PLAIN = "plain"  # a manifest of plain files, for releases that keep the suffix on a reused file

    __hash__ = object.__hash__  # as in Platform: it is part of a key at every offer


class Prefer(enum.Enum):
    """Which form a release gets that can take both."""

    FASTEST = "fastest"
    FEWEST_BYTES = "fewest_bytes"
    MANIFEST = "manifest"
    ZIP = "zip"


class ManifestRules(NamedTuple):
    """Which manifests one plugin release can take."""

    sent: Sent = Sent.PACKED  # the form of a bundle that nothing else rules out
    encrypted: bool = True  # of encrypted bundles as well
    names: NameRules = NameRules()
    zip_too: bool = True  # the zip is verified as well as files are, on any device, and its files are found again


class Plugin(NamedTuple):
    """What the device's plugin release can take. `wire.plugins.forms` builds it from the capability table."""

    version: str
    supported: bool = True  # major 5 and above (PROTOCOL.md §1.4, rule 11)
    reads_v3: bool = True
    plain_with_key: PlainWithKey = PlainWithKey.ACCEPTED
    reverts_to_builtin: bool = True
    keeps_choice: bool = True  # of a channel, on the device; older releases leave it to the server
    listed: bool = True  # False: above every known release; counted
    sends_key_id: bool = True  # if it holds a public key
    manifest: ManifestRules = ManifestRules()

"""Request bodies and answers about push credentials."""

import msgspec

from edge.control.shapes.common import AnswerBody, RequestBody
from edge.domain.pushing.payload import ProviderKind, PushVerdict
from edge.push.providers.credentials import PER_SECOND


class PushCredentialsRequest(RequestBody, frozen=True, kw_only=True):
    """Which fields are needed follows from the provider. fcm: `service_account`, the key file's text. apns: `key`, the
    .p8 file's text, `key_id`, `team`, `topic`, and `sandbox` for builds from Xcode. webpush: `subject`, and `new_key`
    to lose all subscribers. webhook: `url`, `per_second`."""

    service_account: str = ""
    key: str = ""
    key_id: str = ""
    team: str = ""
    topic: str = ""
    sandbox: bool = False
    subject: str = ""
    new_key: bool = False
    url: str = ""
    per_second: float = PER_SECOND


class PushCredentialsView(AnswerBody, frozen=True, kw_only=True):
    """`shown` is what is no secret: of webpush the `public_key` that apps subscribe with. `sealed_with` is the id of
    the key, `openable` whether this node has it. `set` is in seconds since the epoch."""

    provider: ProviderKind
    shown: dict[str, str]
    set: float
    by: str
    sealed_with: str
    openable: bool


class PushCredentialsSet(AnswerBody, frozen=True, kw_only=True):
    """`secret` is what a receiver of one's own verifies signatures with: shown here and never again; empty for the
    others, and where it stays as it was."""

    provider: ProviderKind
    shown: dict[str, str]
    secret: str = ""


class PushCredentialsRemoved(AnswerBody, frozen=True, kw_only=True):
    provider: ProviderKind
    removed: bool


class PushCredentialsTested(AnswerBody, frozen=True, kw_only=True):
    """`good` is null where only a device can tell, or where the provider was not reached; `code` is the provider's word
    for the token that is none."""

    provider: ProviderKind
    good: bool | None
    code: str
    words: str


class PushTestRequest(RequestBody, frozen=True, kw_only=True):
    """A message to one token now."""

    token: str
    title: str = "Test"
    body: str = "It works."
    silent: bool = False
    data: dict[str, str] = msgspec.field(default_factory=dict)


class PushDeviceTestRequest(RequestBody, frozen=True, kw_only=True):
    """A message to a registered device now, by each provider that it has a token of."""

    device: str
    title: str = "Test"
    body: str = "It works."
    silent: bool = False
    data: dict[str, str] = msgspec.field(default_factory=dict)


class PushTested(AnswerBody, frozen=True, kw_only=True):
    """What came of the one attempt."""

    provider: ProviderKind
    verdict: PushVerdict
    code: str
    retry_after_seconds: float
    provider_id: str

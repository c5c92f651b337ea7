"""From credentials to a provider that sends."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edge.config import PushOptions
from edge.domain.errors import Invalid
from edge.domain.pushing.payload import ProviderKind
from edge.messages.addresses import parse_networks
from edge.push.providers.apple.apns import ApnsProvider
from edge.push.providers.browsers.webpush import WebPushProvider
from edge.push.providers.credentials import (
    ApnsCredentials,
    Credentials,
    FcmCredentials,
    WebhookCredentials,
    WebPushCredentials,
    decode_credentials,
)
from edge.push.providers.google.fcm import FcmProvider
from edge.push.providers.port import PushProvider
from edge.push.providers.posting import PostingRules
from edge.push.providers.webhook import PushWebhookProvider


def rules_of(options: PushOptions) -> PostingRules:
    """What `[push]` of the configuration allows."""
    return PostingRules(parse_networks(options.allowed_networks), options.ca_file)


def open_provider(credentials: Credentials, app: str, options: PushOptions) -> PushProvider:
    """Connects at the first message. Reads certificates: blocks. Raises Invalid `invalid_credentials` for a key that
    cannot sign, OSError."""
    rules = rules_of(options)
    match credentials:
        case FcmCredentials():
            return FcmProvider(credentials, rules, options.fcm_url)
        case ApnsCredentials(sandbox=True):
            return ApnsProvider(credentials, rules, options.apns_sandbox_url)
        case ApnsCredentials():
            return ApnsProvider(credentials, rules, options.apns_url)
        case WebPushCredentials():
            return WebPushProvider(credentials, rules, options.webpush_hosts)
        case WebhookCredentials():
            return PushWebhookProvider(credentials, rules, app)


class OpenedProviders(NamedTuple):
    """Of an app: `of` send, `faults` say why others do not."""

    of: dict[ProviderKind, PushProvider]
    faults: dict[str, str]


def open_providers(
    given: Mapping[str, bytes], faults: Mapping[str, str], app: str, options: PushOptions
) -> OpenedProviders:
    """From what `encode_credentials` made, by provider, and why some of it was not given: each by itself. Raises
    OSError."""
    found = OpenedProviders({}, dict(faults))
    for name, content in given.items():
        try:
            found.of[ProviderKind(name)] = open_provider(decode_credentials(content), app, options)
        except (Invalid, msgspec.DecodeError) as error:
            why = error.message if isinstance(error, Invalid) else "they cannot be read: set them again"
            found.faults[name] = why
    return found

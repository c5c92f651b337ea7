"""From credentials to a provider that sends."""

from edge.config import PushOptions
from edge.messages.addresses import parse_networks
from edge.push.providers.apple.apns import ApnsProvider
from edge.push.providers.browsers.webpush import WebPushProvider
from edge.push.providers.credentials import (
    ApnsCredentials,
    Credentials,
    FcmCredentials,
    WebhookCredentials,
    WebPushCredentials,
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

"""Whether a provider takes credentials, without sending anybody a message: a token that is none is sent to, and who is
let in hears that of it."""

import asyncio
from typing import NamedTuple

from edge.config import PushOptions
from edge.domain.errors import Unavailable
from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushPayload, PushTarget, PushVerdict
from edge.push.providers.credentials import Credentials, WebPushCredentials
from edge.push.providers.opening import open_provider

NOBODY = {
    ProviderKind.FCM: "edge-credentials-test",
    ProviderKind.APNS: "0" * 64,
    ProviderKind.WEBHOOK: "edge-credentials-test",
}
PROBE = PushPayload(message_id="edge-credentials-test", title="Test", body="Of credentials", ttl_seconds=0)


class Probed(NamedTuple):
    """`good` None: only a device can tell."""

    good: bool | None
    code: str
    words: str


async def probe(credentials: Credentials, app: str, options: PushOptions, now: float) -> Probed:
    """One attempt, or none for browsers, whose push services know nobody before a subscription. Raises Unavailable
    `push_unavailable`."""
    if isinstance(credentials, WebPushCredentials):
        return Probed(None, "", "only a browser that has subscribed can tell: send it a test message")
    found = await attempt(credentials, app, PushTarget(credentials.kind, NOBODY[credentials.kind]), PROBE, options, now)
    if found.verdict in (PushVerdict.STOP, PushVerdict.LATER, PushVerdict.UNKNOWN):
        refused = found.verdict is PushVerdict.STOP
        words = "the provider refuses them" if refused else "the provider was not reached, or is busy"
        return Probed(False if refused else None, found.code, words)
    return Probed(True, found.code, "the provider takes them")


async def attempt(
    credentials: Credentials, app: str, target: PushTarget, payload: PushPayload, options: PushOptions, now: float
) -> PushAttempt:
    """Over a connection of its own. Raises Unavailable `push_unavailable`."""
    try:
        provider = await asyncio.to_thread(open_provider, credentials, app, options)
    except OSError as error:
        raise Unavailable("push_unavailable", f"push.ca_file cannot be read: {error.strerror or error}") from error
    try:
        return await provider.send(target, payload, now)
    finally:
        await provider.close()

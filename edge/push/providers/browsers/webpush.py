"""Messages to browsers, through whichever push service a browser has subscribed at (RFC 8030)."""

from collections.abc import Sequence

from edge.domain.errors import Invalid
from edge.domain.pushing.payload import PushAttempt, PushPayload, PushTarget, PushVerdict
from edge.push.providers.browsers.encryption import BadSubscriptionKey, encrypt_push
from edge.push.providers.browsers.vapid import Vapid
from edge.push.providers.credentials import WebPushCredentials
from edge.push.providers.doubtful import Doubtful
from edge.push.providers.posting import NoAnswer, NotArrived, Posting, PostingRules
from edge.wire.providers.endpoints import endpoint_fault, origin_of
from edge.wire.providers.webpush import (
    BrowserSubscription,
    encode_webpush,
    parse_subscription,
    read_webpush,
    webpush_headers,
)

AT_ONCE = 100  # connections, to all services together
DOUBTFUL_WORDS = frozenset({"http_401", "http_403"})  # or the subscription was made with another key
PER_SECOND = 1_000.0  # no quota is published; services answer 429 to who is too fast


class WebPushProvider:
    """Of one key. `hosts` are allowed beside the push services of browsers."""

    at_once = AT_ONCE
    per_second = PER_SECOND

    def __init__(self, credentials: WebPushCredentials, rules: PostingRules, hosts: Sequence[str] = ()) -> None:
        self.vapid = Vapid(credentials)
        self._posting = Posting(rules, AT_ONCE)
        self._hosts = hosts
        self._doubtful = Doubtful(DOUBTFUL_WORDS)

    async def send(self, target: PushTarget, payload: PushPayload, now: float) -> PushAttempt:
        try:
            subscription = parse_subscription(target.token)
        except Invalid:
            return PushAttempt(PushVerdict.DEAD, "malformed_token")
        # Judged again at each message: what is allowed may have changed since the device registered.
        if endpoint_fault(subscription.endpoint, self._hosts):
            return PushAttempt(PushVerdict.OURS, "endpoint_not_allowed", of_target=True)
        try:
            return await self._send(subscription, payload, now)
        except BadSubscriptionKey:
            return PushAttempt(PushVerdict.DEAD, "bad_subscription_key")
        except NotArrived:
            # One of many services: the others may be reached.
            return PushAttempt(PushVerdict.LATER, "no_connection")
        except NoAnswer:
            return PushAttempt(PushVerdict.UNKNOWN, "no_answer")

    async def close(self) -> None:
        await self._posting.close()

    async def _send(self, subscription: BrowserSubscription, payload: PushPayload, now: float) -> PushAttempt:
        body = encrypt_push(encode_webpush(payload), subscription)
        headers = {
            **webpush_headers(payload),
            "Authorization": self.vapid.header(origin_of(subscription.endpoint), now),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
        }
        return self._doubtful.judged(read_webpush(await self._posting.post(subscription.endpoint, headers, body)))

"""Messages through Apple's push service: HTTP/2, token-based, one connection that is kept."""

import asyncio

from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushPayload, PushTarget, PushVerdict
from edge.push.providers.apple.apns_link import ApnsLink
from edge.push.providers.apple.apns_token import ApnsToken
from edge.push.providers.apple.h2_link import Header
from edge.push.providers.credentials import ApnsCredentials
from edge.push.providers.doubtful import Doubtful
from edge.push.providers.posting import NoAnswer, NotArrived, PostingRules
from edge.wire.providers.apns import apns_headers, encode_apns, read_apns
from edge.wire.providers.limits import target_fault

APNS_URL = "https://api.push.apple.com"
APNS_SANDBOX_URL = "https://api.sandbox.push.apple.com"
AT_ONCE = 200  # streams: at 50 ms an answer, 4,000 messages a second; Apple takes about 1,000
PER_SECOND = 4_000.0  # no quota is published
ANSWER_SECONDS = 15.0  # from the stream to the end of its answer
DOUBTFUL_WORDS = frozenset({"BadDeviceToken"})  # or the token is of the sandbox, or not of it
EXPIRED = "ExpiredProviderToken"


class ApnsProvider:
    """Of one app and one key."""

    at_once = AT_ONCE
    per_second = PER_SECOND

    def __init__(
        self, credentials: ApnsCredentials, rules: PostingRules, url: str = "", answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._answer_seconds = answer_seconds
        self.token = ApnsToken(credentials)
        self.link = ApnsLink(url or (APNS_SANDBOX_URL if credentials.sandbox else APNS_URL), rules)
        self._topic = credentials.topic
        self._doubtful = Doubtful(DOUBTFUL_WORDS)

    async def send(self, target: PushTarget, payload: PushPayload, now: float) -> PushAttempt:
        if target_fault(ProviderKind.APNS, target.token):
            return PushAttempt(PushVerdict.DEAD, "malformed_token")
        shown = self.token.header(now)
        try:
            link = await self.link.link()
            ends = asyncio.get_running_loop().time() + self._answer_seconds
            answer = await link.request(*self._request(target.token, payload, shown, now), ends)
            if read_apns(answer).code == EXPIRED and (other := self.token.after_refusal(shown, now)):
                # Nothing was delivered: the token ended early. Once, with another one.
                answer = await link.request(*self._request(target.token, payload, other, now), ends)
        except NotArrived:
            return PushAttempt(PushVerdict.LATER, "no_connection", whole=True)
        except NoAnswer:
            return PushAttempt(PushVerdict.UNKNOWN, "no_answer")
        return self._doubtful.judged(read_apns(answer))

    async def close(self) -> None:
        await self.link.close()

    def _request(self, token: str, payload: PushPayload, shown: str, now: float) -> tuple[list[Header], bytes]:
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", self.link.authority),
            (":path", f"/3/device/{token}"),
            ("authorization", shown),
            *apns_headers(payload, self._topic, now),
        ]
        return headers, encode_apns(payload)

"""Messages through Firebase Cloud Messaging, HTTP v1: one a request, as Google offers nothing else."""

from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushPayload, PushTarget, PushVerdict
from edge.push.providers.credentials import FcmCredentials
from edge.push.providers.doubtful import Doubtful
from edge.push.providers.google.access_tokens import AccessTokens, NoAccess
from edge.push.providers.posting import NoAnswer, NotArrived, Posting, PostingRules
from edge.wire.providers.answers import ProviderAnswer
from edge.wire.providers.fcm import encode_fcm, read_fcm
from edge.wire.providers.limits import target_fault

FCM_URL = "https://fcm.googleapis.com"
AT_ONCE = 200  # connections: at 50 ms an answer, 4,000 messages a second
PER_SECOND = 9_000.0  # the quota of a project is 600,000 a minute; the rest is for what else sends
DOUBTFUL_WORDS = frozenset({"SENDER_ID_MISMATCH"})  # or the file is of another project than the app
UNAUTHORIZED = 401


class FcmProvider:
    """Of one project."""

    at_once = AT_ONCE
    per_second = PER_SECOND

    def __init__(self, credentials: FcmCredentials, rules: PostingRules, base_url: str = FCM_URL) -> None:
        self._posting = Posting(rules, AT_ONCE)
        self.access = AccessTokens(credentials, self._posting)
        self._url = f"{base_url}/v1/projects/{credentials.project}/messages:send"
        self._doubtful = Doubtful(DOUBTFUL_WORDS)

    async def send(self, target: PushTarget, payload: PushPayload, now: float) -> PushAttempt:
        if target_fault(ProviderKind.FCM, target.token):
            return PushAttempt(PushVerdict.DEAD, "malformed_token")
        body = encode_fcm(payload, target.token)
        try:
            token = await self.access.token(now)
            answer = await self._post(body, token)
            if answer.status == UNAUTHORIZED and read_fcm(answer).code != "THIRD_PARTY_AUTH_ERROR":
                # Nothing was delivered: the token ended early, or was withdrawn. Once, with another one.
                answer = await self._post(body, await self.access.after_refusal(token, now))
        except NoAccess as error:
            return error.attempt
        except NotArrived:
            return PushAttempt(PushVerdict.LATER, "no_connection", whole=True)
        except NoAnswer:
            return PushAttempt(PushVerdict.UNKNOWN, "no_answer")
        return self._doubtful.judged(read_fcm(answer))

    async def close(self) -> None:
        await self._posting.close()

    async def _post(self, body: bytes, token: str) -> ProviderAnswer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=UTF-8"}
        return await self._posting.post(self._url, headers, body)

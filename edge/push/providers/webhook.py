"""Messages to a receiver of one's own, signed as webhooks of notices are."""

from edge.domain.pushing.payload import PushAttempt, PushPayload, PushTarget, PushVerdict
from edge.messages.signature import sign_message
from edge.push.providers.credentials import WebhookCredentials
from edge.push.providers.posting import NoAnswer, NotArrived, Posting, PostingRules
from edge.wire.providers.webhook import encode_push_webhook, push_webhook_id, read_push_webhook

AT_ONCE = 20  # connections: a receiver is a service of one's own


class PushWebhookProvider:
    """Of one receiver."""

    at_once = AT_ONCE

    def __init__(self, credentials: WebhookCredentials, rules: PostingRules, app: str) -> None:
        self.per_second = credentials.per_second
        self._credentials = credentials
        self._app = app
        self._posting = Posting(rules, AT_ONCE)

    async def send(self, target: PushTarget, payload: PushPayload, now: float) -> PushAttempt:
        body = encode_push_webhook(payload, self._app, target.token)
        signed = sign_message(self._credentials.secret, push_webhook_id(payload, target.token), int(now), body)
        headers = {**signed, "Content-Type": "application/json"}
        try:
            return read_push_webhook(await self._posting.post(self._credentials.url, headers, body))
        except NotArrived:
            return PushAttempt(PushVerdict.LATER, "no_connection", whole=True)
        except NoAnswer:
            return PushAttempt(PushVerdict.UNKNOWN, "no_answer")

    async def close(self) -> None:
        await self._posting.close()

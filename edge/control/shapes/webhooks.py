"""Request bodies and answers about webhooks."""

import msgspec

from edge.control.shapes.common import AnswerBody, RequestBody
from edge.messages.notice import NoticeKind
from edge.messages.outbox_file import DeliveryState
from edge.messages.webhook import WebhookForm


class WebhookRequest(RequestBody, frozen=True, kw_only=True):
    """Without `apps` and `kinds`, the webhook gets every notice."""

    name: str
    url: str
    form: WebhookForm = WebhookForm.JSON
    apps: list[str] = msgspec.field(default_factory=list)
    kinds: list[NoticeKind] = msgspec.field(default_factory=list)


class WebhookView(AnswerBody, frozen=True, kw_only=True):
    """`address` is the webhook's without its path, which may be a secret. `created` is in seconds since the epoch, `by`
    the name of the token that added it."""

    name: str
    address: str
    form: WebhookForm
    apps: list[str]
    kinds: list[NoticeKind]
    created: float
    by: str


class WebhookMade(WebhookView, frozen=True, kw_only=True):
    """`secret` is what the node signs with, shown here and never again."""

    secret: str


class WebhookRemoved(AnswerBody, frozen=True, kw_only=True):
    name: str
    removed: bool


class WebhookTested(AnswerBody, frozen=True, kw_only=True):
    """What the receiver said to a test: `status` is 0 and `fault` says why if there was no answer; `answer` is the
    beginning of its body, printable."""

    name: str
    delivered: bool
    status: int
    fault: str
    answer: str
    milliseconds: int


class DeliveryView(AnswerBody, frozen=True, kw_only=True):
    """A notice at one webhook. Times are in seconds since the epoch: `next` of the next attempt, null where there is
    none; `last` of the last one, null before the first. `status` of the last answer is 0 without one."""

    id: str
    kind: NoticeKind
    app: str
    title: str
    state: DeliveryState
    attempts: int
    posted: float
    last: float | None
    next: float | None
    status: int
    fault: str

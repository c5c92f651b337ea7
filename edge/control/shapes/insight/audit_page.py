"""The audit: what is listed of it."""

from edge.control.shapes.common import AnswerBody


class AuditEntryView(AnswerBody, frozen=True, kw_only=True):
    """One act. `who` is a token or a person that is known, empty for nobody known; `operation` is of this API, a way to
    sign in, or the command of a revision that this node did not write. `outcome` is `done`, `waiting` (for approval),
    `refused`, `failed` or `unknown`, with the `code` of the refusal. `target` says what it was about; a device only by
    a digest of its id. `revision` is the app's, if it made one, with its `summary` and `reason`. `count` repeats since
    `since` are one entry. `n` and `digest` are the number and the digest of the record in the node's chain; a revision
    that no record is of has 0 and its own digest."""

    at: float
    who: str
    address: str
    kind: str
    operation: str
    outcome: str
    code: str
    app: str
    target: str
    revision: int
    summary: str
    reason: str
    change: str
    page: bool
    count: int
    since: float | None
    n: int
    digest: str


class AuditPageView(AnswerBody, frozen=True, kw_only=True):
    """Newest first. `next_page` is the `cursor` of the next page, empty after the last; a page may have fewer entries
    than were asked for, or none, and a next one. If `unmerged_apps` is not 0, there are so many apps that revisions of
    other nodes are listed only for an app that is named."""

    entries: list[AuditEntryView]
    next_page: str
    unmerged_apps: int

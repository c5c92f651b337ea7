"""A notice, valid by default."""

from edge.messages.notice import Notice, NoticeKind


def a_notice(**changes):
    given = {"id": "n1", "kind": NoticeKind.GUARD_PAUSED, "at": 1.0, "title": "Paused", "text": "It failed."}
    return Notice(**(given | changes))

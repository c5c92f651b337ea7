"""The releases of a node that follows, as people see them there: read from its copy, and changed elsewhere.

The copy keeps the latest revisions of an app, so its history begins there.
"""

from typing import Any, NoReturn

from edge.domain.errors import Conflict
from edge.domain.model import AppId
from edge.store.held_heads import HeldHeads
from edge.store.key_set import Trust
from edge.store.objects.port import ObjectStore
from edge.store.reading import ReleaseReader
from edge.store.revision_document import RevisionLine

ELSEWHERE = "not_the_origin"  # the code of what only the node that holds the truth does


def elsewhere(what: str, home: str) -> Conflict:
    """The refusal of `what`, which is done at `home`."""
    return Conflict(ELSEWHERE, f"this node follows another one, and {what} there: {home or 'ask the origin'}")


class FollowedReleases(ReleaseReader):
    """`home` is the address where changes are made. Safe among threads; every call blocks."""

    def __init__(self, store: ObjectStore, trust: Trust, home: str, held: HeldHeads | None = None) -> None:
        super().__init__(store, trust, held, copied=True)
        self._home = home

    def commit(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises Conflict `not_the_origin`, as everything else that changes releases."""
        raise elsewhere("apps are changed", self._home)

    rehearse = put_keys_back = accept_restored = commit

    def _line_before(self, app: AppId, line: RevisionLine) -> RevisionLine | None:
        link = line.previous
        if link is None or not self._revisions.has(app, line.previous_number, link):
            return None
        return super()._line_before(app, line)

"""The labels that events are counted by, each bounded, with an explicit `other`.

Names that the app has or had keep rows of their own: its bundles, deleted ones included, and what devices say before
they have any. Only names that a device made up share a bounded number of places, first come, first served; one device
that makes up thousands hides nothing that was published. The same for apps.
"""

import sqlite3
from collections.abc import Callable, Set

from edge.domain.model import APP_ID_LIMIT, BUILTIN
from edge.telemetry.folding.words import NO_APP, WordKind

UNKNOWN_APPS_LIMIT = 10_000  # a node takes events of its own apps only; others are from before one was removed
MADE_UP_LIMIT = 200  # bundles of an app and day that it never had, such as those of another service before this node
OTHER = "other"  # neither an app id (`parse_app_id`) nor a release (a semantic version)

_NO_BUNDLE = frozenset({"", BUILTIN, OTHER})

# The versions that an app has or had; None for an app that the node does not have.
NamesOf = Callable[[str], Set[str] | None]


def no_names(app: str) -> Set[str] | None:
    """A `NamesOf` without any app."""
    return None


class LabelBounds:
    """Admits labels in one transaction of `connection`. `names_of` may be called once per app."""

    def __init__(self, connection: sqlite3.Connection, names_of: NamesOf) -> None:
        self._connection = connection
        self._names_of = names_of
        self._own: dict[str, Set[str] | None] = {}
        self._unknown_apps: set[str] | None = None
        self._made_up: dict[tuple[str, int], set[str]] = {}

    def admit_bundle(self, app: str, bundle: str, day: int) -> str:
        """The bundle, or `other` in place of a name that the admitted app never had, has no row and gets none on this
        day (since 1970-01-01 UTC)."""
        if bundle in _NO_BUNDLE or bundle in self.own_names(app):
            return bundle
        made_up = self._made_up_of(app, day)
        if bundle not in made_up and len(made_up) >= MADE_UP_LIMIT:
            return OTHER
        made_up.add(bundle)
        return bundle

    def admit_app(self, app: str) -> str:
        """The app, or `other`."""
        if len(app) > APP_ID_LIMIT:
            return OTHER
        if app == OTHER or self._known_names(app) is not None:
            return app
        if self._unknown_apps is None:
            self._unknown_apps = {app for (app,) in self._connection.execute("SELECT app FROM apps")}
        if app in self._unknown_apps:
            return app
        if len(self._unknown_apps) >= UNKNOWN_APPS_LIMIT:
            return OTHER
        self._connection.execute("INSERT INTO apps VALUES (?)", (app,))
        self._unknown_apps.add(app)
        return app

    def own_names(self, app: str) -> Set[str]:
        """The versions that the app has or had."""
        return self._known_names(app) or frozenset()

    def _known_names(self, app: str) -> Set[str] | None:
        if app not in self._own:
            self._own[app] = self._names_of(app)
        return self._own[app]

    def _made_up_of(self, app: str, day: int) -> set[str]:
        if (app, day) not in self._made_up:
            rows = self._connection.execute(
                "SELECT DISTINCT word FROM sums_day JOIN words ON words.id = bundle"
                " WHERE sums_day.app = (SELECT id FROM words WHERE app = ? AND kind = ? AND word = ?) AND period = ?",
                (NO_APP, WordKind.APP, app, day),
            )
            known = _NO_BUNDLE | self.own_names(app)
            self._made_up[app, day] = {bundle for (bundle,) in rows if bundle not in known}
        return self._made_up[app, day]

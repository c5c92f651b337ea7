"""The versions that each app has or had, so that telemetry counts them by name whatever devices make up; and what its
segments ask of how devices are used, and which of its releases are under guard or in an
experiment.

Read from the app's current revision and kept until it changes. An app that cannot be read now keeps the names that were
read last.
"""

from collections import OrderedDict

from edge.domain.behaviour.judging import JudgedSegments, judging_segments
from edge.domain.comparing.running import RunningExperiment, experiments_of
from edge.domain.errors import EdgeError, NotFound
from edge.domain.guarding.watch import Watch, watches_of
from edge.domain.model import AppId, Digest
from edge.store.reading import ReleaseReader

APPS_KEPT = 1_000  # 1,000 names take 100 kB; another app's are read again, in milliseconds


class OwnNames:
    """For threads that may wait for the disk, one at a time."""

    def __init__(self, releases: ReleaseReader) -> None:
        self._releases = releases
        self._segments: dict[str, JudgedSegments] = {}
        self._watches: dict[str, tuple[Watch, ...]] = {}
        self._experiments: dict[str, tuple[RunningExperiment, ...]] = {}
        self._kept: OrderedDict[str, tuple[Digest | None, frozenset[str]]] = OrderedDict()

    def of(self, app: str) -> frozenset[str] | None:
        """Those of deleted bundles and deleted apps too; None for an app that this node does not have."""
        digest, names = self._kept.pop(app, (None, frozenset[str]()))
        try:
            head = self._releases.last_head(AppId(app))
            if head.digest != digest:
                state = self._releases.load_revision(AppId(app), head.revision, head.digest)
                digest, names = head.digest, frozenset({*state.bundles, *state.retired})
                self._segments[app] = judging_segments(state)
                self._watches[app] = tuple(watches_of(state))
                self._experiments[app] = tuple(experiments_of(state))
        except NotFound:
            return None
        except (EdgeError, OSError):  # an app all the same; its damage is reported where it is served
            digest = None
        self._keep(app, digest, names)
        return names

    def segments_of(self, app: str) -> JudgedSegments:
        """As of the last call of `of`."""
        return self._segments.get(app, JudgedSegments())

    def watches_of(self, app: str) -> tuple[Watch, ...] | None:
        """As of the last call of `of`; None for an app that was never read."""
        return self._watches.get(app)

    def experiments_of(self, app: str) -> tuple[RunningExperiment, ...]:
        """As of the last call of `of`."""
        return self._experiments.get(app, ())

    def _keep(self, app: str, digest: Digest | None, names: frozenset[str]) -> None:
        self._kept[app] = digest, names
        if len(self._kept) > APPS_KEPT:
            gone, _ = self._kept.popitem(last=False)
            self._segments.pop(gone, None)
            self._watches.pop(gone, None)
            self._experiments.pop(gone, None)

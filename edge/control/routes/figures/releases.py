"""How a team releases: from the app's history, and from when devices had what was released."""

import asyncio
from collections.abc import Sequence

from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import Operation
from edge.control.routes.figures.asking import SINCE, WEEKS_SECONDS, since_seconds
from edge.domain.decision.foresight.impact import Offering
from edge.domain.model import BUILTIN
from edge.domain.statistics.releases import BundleReach, ReleasesAnswer, Shift, development, releases_of
from edge.store.revision_document import RevisionLine
from edge.telemetry.questions.reach_times import BUNDLES_LIMIT, ReachAnswer, ReachQuestion

REVISIONS_LIMIT = 1_000  # of the history, each of which is read and verified: a second or two
_NOWHERE = BundleReach(None, None, None)


async def handle_releases(call: Call[None]) -> ReleasesAnswer:
    """Of the latest `REVISIONS_LIMIT` revisions. Raises NotFound `unknown_app`."""
    now = call.ports.clock.now()
    since = now - since_seconds(call.request, WEEKS_SECONDS)
    lines = await asyncio.to_thread(call.ports.releases.history, call.app, REVISIONS_LIMIT)
    releases = releases_of(shift for line in reversed(lines) for shift in _shifts(line))
    recent = sorted((each for each in releases if each.published >= since), key=lambda each: -each.published)
    asked = ReachQuestion(
        app=call.app, until_ms=int(now * 1000), bundles=[each.bundle for each in recent[:BUNDLES_LIMIT]]
    )
    answer = await call.ports.telemetry.ask("reach", asked, ReachAnswer)
    reached = {each.bundle: BundleReach(each.half, each.most, each.failed) for each in answer.bundles}
    rows = [(each, reached.get(each.bundle, _NOWHERE)) for each in recent]
    return development(call.app, rows, since, now, cut=_is_cut(lines, since))


def _shifts(line: RevisionLine) -> list[Shift]:
    return [
        Shift(
            line.at,
            line.kind,
            line.move,
            each.channel,
            _offered(each.before),
            _offered(each.after),
            (each.before.rollout or "") if each.before else "",
        )
        for each in line.channels
    ]


def _offered(offering: Offering | None) -> frozenset[str]:
    if offering is None:
        return frozenset()
    return frozenset(each for each in (offering.bundle, offering.rollout) if each not in (None, BUILTIN))


def _is_cut(lines: Sequence[RevisionLine], since: float) -> bool:
    return len(lines) == REVISIONS_LIMIT and lines[-1].at > since


OPERATIONS = (
    Operation(
        name="show_releases",
        method="GET",
        path="/v1/apps/{app}/releases",
        summary="Show how often the app is released, how fast devices have it, and how failures are dealt with",
        permission=Permission.READ_APP,
        handle=handle_releases,
        answer=ReleasesAnswer,
        query=(SINCE,),
    ),
)

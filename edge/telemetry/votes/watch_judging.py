"""After a fold: what the votes of a watch show, kept with its row for whoever asks, and while charts need it.

What is kept outlives the votes: those go with the watch, the standing stays for `STANDING_DAYS`.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.guarding.judging import judge
from edge.domain.guarding.networks import TRUSTED_NETWORK
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.guarding.silence import EARLIER_RELEASES, SILENCE_AGES_MS, InstallsSettled, SilenceCount
from edge.telemetry.votes import vote_keeper
from edge.telemetry.votes.breakdowns import CauseOf, LabelsOf, break_down
from edge.telemetry.votes.counted_votes import UNHEARD
from edge.telemetry.votes.standing import (
    ENDED_LIMIT,
    POINTS_LIMIT,
    STANDING_DAYS,
    GuardStanding,
    SeriesPoint,
    SilentAge,
    StandingQuestion,
)
from edge.telemetry.votes.watch_book import WatchBook

QUIET_MS = 60_000  # a standing that says the same is written again after so long
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
_WORST = 2

_standings = msgspec.json.Decoder(GuardStanding)


def judge_watch(
    connection: sqlite3.Connection,
    app: str,
    book: WatchBook,
    now_ms: int,
    labels_of: LabelsOf,
    cause_of: CauseOf,
    *,
    counts_anew: bool = False,
    in_backlog: bool = False,
    reported: tuple[ReportedUntil, ...] = (),
) -> Evidence:
    """The evidence as of now; keeps the standing. In the caller's transaction. `in_backlog`: later reports wait to be
    counted, so nobody is silent, and only that the release fails is known and kept. `reported` is as of the
    evidence's own."""
    before = _kept(connection, book.id) or GuardStanding(counts_anew=counts_anew)
    earlier = _earlier(connection, app, book)
    settled, control = book.settled(now_ms), book.control.settled(now_ms)
    silence = tuple(
        SilenceCount(age_ms, release, tuple(each[index] for each in earlier), control[index])
        for index, (age_ms, release) in enumerate(zip(SILENCE_AGES_MS, settled, strict=True))
    )
    tally = book.tally(now_ms)
    evidence = judge(app, book.watch, tally if in_backlog else tally._replace(silence=silence), now_ms)
    evidence = msgspec.structs.replace(evidence, reported=reported)
    if _says_the_same(before, evidence, now_ms) or (in_backlog and evidence.verdict is not Verdict.FAILS):
        return evidence
    series = _with_point(before.series, evidence, book.figures)
    failing = [of for net, of in _networks(book).items() if of[1]]
    worst = sorted(failing, key=lambda of: (-of[1], of[0]))[:_WORST]
    standing = GuardStanding(
        evidence=evidence,
        bundle=book.watch.bundle,
        series=series,
        breakdowns=break_down(book.cells, labels_of, cause_of),
        networks=len(_networks(book)),
        worst_networks=[(attempts, failed) for attempts, failed in worst],
        capped=book.capped,
        silence=before.silence if in_backlog else [_silent_age(each) for each in silence],
        first_offer_ms=book.first_offer_ms,
        first_failure_ms=book.first_failure_ms,
        deciding_ms=before.deciding_ms or (book.last_failure_ms if evidence.verdict is Verdict.FAILS else 0),
        full=book.is_full,
        lost=book.lost,
        counts_anew=before.counts_anew,
    )
    connection.execute("UPDATE watches SET standing = ? WHERE id = ?", (msgspec.json.encode(standing), book.id))
    return evidence


def read_standing(connection: sqlite3.Connection, asked: StandingQuestion) -> GuardStanding:
    """Of a watch that goes on, or of the one that ended last; an empty one if there is none."""
    row = connection.execute(
        "SELECT CAST(standing AS BLOB), ended_ms FROM watches WHERE app = ? AND channel = ? AND standing NOT NULL"
        " AND (?3 = '' OR watch = ?3) ORDER BY ended_ms = 0 DESC, max(began_ms, ended_ms) DESC, id DESC LIMIT 1",
        (asked.app, asked.channel, asked.watch),
    ).fetchone()
    found = _decoded(row[0]) if row else None
    if found is not None and not row[1]:
        return found
    (others,) = connection.execute("SELECT count(*) FROM watches WHERE ended_ms = 0").fetchone()
    crowded = others >= vote_keeper.WATCHES_LIMIT
    return msgspec.structs.replace(
        found or GuardStanding(), ended_ms=row[1] if found is not None else 0, crowded=crowded
    )


def forget_watches(connection: sqlite3.Connection, now_ms: int) -> int:
    """Those that ended long ago, and those beyond the limit; returns how many. In the caller's transaction."""
    before = now_ms - STANDING_DAYS * DAY_MS
    # A clock that was ahead when they ended keeps them no longer.
    connection.execute("UPDATE watches SET ended_ms = ?1 WHERE ended_ms > ?1", (now_ms,))
    gone = connection.execute("DELETE FROM watches WHERE ended_ms BETWEEN 1 AND ?", (before,)).rowcount
    latest = "SELECT id FROM watches WHERE ended_ms > 0 ORDER BY ended_ms DESC, id DESC LIMIT -1 OFFSET ?"
    return gone + connection.execute(f"DELETE FROM watches WHERE id IN ({latest})", (ENDED_LIMIT,)).rowcount  # noqa: S608


def _kept(connection: sqlite3.Connection, id: int) -> GuardStanding | None:
    row = connection.execute("SELECT CAST(standing AS BLOB) FROM watches WHERE id = ?", (id,)).fetchone()
    return _decoded(row[0]) if row and row[0] is not None else None


def _decoded(stored: bytes) -> GuardStanding | None:
    try:
        return _standings.decode(stored)
    except msgspec.DecodeError:  # a bit that changed on the disk: the next fold makes it again
        return None


def _earlier(connection: sqlite3.Connection, app: str, book: WatchBook) -> list[list[InstallsSettled]]:
    """Of the channel's releases before, at each of SILENCE_AGES_MS."""
    rows = connection.execute(
        "SELECT CAST(standing AS BLOB) FROM watches WHERE app = ? AND channel = ? AND ended_ms > 0"
        " AND standing NOT NULL ORDER BY ended_ms DESC LIMIT ?",
        (app, book.watch.channel, 4 * EARLIER_RELEASES),
    )
    found = [_decoded(stored) for (stored,) in rows]
    others = [each.silence for each in found if each is not None and _is_comparison(each, book.watch.bundle)]
    whole = [each for each in others if len(each) == len(SILENCE_AGES_MS)]
    return [[InstallsSettled(of.devices, of.silent) for of in each] for each in whole[:EARLIER_RELEASES]]


def _is_comparison(before: GuardStanding, bundle: str) -> bool:
    """A release that was bad itself must not raise what is allowed."""
    verdict = before.evidence.verdict if before.evidence is not None else Verdict.WATCHING
    return before.bundle != bundle and verdict not in (Verdict.FAILS, Verdict.SILENT)


def _silent_age(count: SilenceCount) -> SilentAge:
    installed, silent = (sum(each[n] for each in count.earlier) for n in (0, 1))
    control = count.control or InstallsSettled(0, 0)
    return SilentAge(count.age_ms / HOUR_MS, *count.release, installed, silent, *control)


def _networks(book: WatchBook) -> dict[int, list[int]]:
    networks = book.votes[book.figures].whole.networks
    return {net: of for net, of in networks.items() if net not in (TRUSTED_NETWORK, UNHEARD) and of[0]}


def _says_the_same(before: GuardStanding, evidence: Evidence, now_ms: int) -> bool:
    kept = before.evidence
    if kept is None or not 0 <= now_ms - kept.as_of_ms < QUIET_MS:
        return False
    return kept == msgspec.structs.replace(evidence, as_of_ms=kept.as_of_ms, reported=kept.reported)


def _with_point(series: Sequence[SeriesPoint], evidence: Evidence, figures: int) -> list[SeriesPoint]:
    """One more, if it says something new; at the limit every second one of those before goes."""
    found = [each for each in series if each.at_ms < evidence.as_of_ms]  # a clock that was ahead draws no line back
    last = found[-1] if found else None
    test = evidence.tests[figures] if figures < len(evidence.tests) else None
    tested = (test.log_odds, test.attempts, test.failed) if test is not None else (0.0, 0, 0)
    if last is not None and (last.attempts, last.failed) == (evidence.attempts, evidence.failed):
        return found
    if len(found) >= POINTS_LIMIT:
        found = found[::2]
    point = SeriesPoint(evidence.as_of_ms, evidence.attempts, evidence.failed, evidence.low, evidence.high, *tested)
    return [*found, point]

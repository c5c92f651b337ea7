"""After a fold: what the votes of a watch show, kept with its row for whoever asks, and while charts need it.

What is kept outlives the votes: those go with the watch, the standing stays for `STANDING_DAYS`.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.guarding.judging import judge
from edge.domain.guarding.networks import TRUSTED_NETWORK
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.guarding.silence import EARLIER_RELEASES, SILENCE_AGES_MS, InstallsSettled, SilenceCount
from edge.domain.guarding.tally import SilenceWithout
from edge.telemetry.votes import vote_keeper
from edge.telemetry.votes.breakdowns import CauseOf, LabelsOf, break_down
from edge.telemetry.votes.control_starts import settled_of
from edge.telemetry.votes.counted_votes import HERE, UNHEARD
from edge.telemetry.votes.standing import (
    ENDED_LIMIT,
    POINTS_LIMIT,
    STANDING_DAYS,
    GuardStanding,
    SeriesPoint,
    SilentAge,
    SilentOfNode,
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
    heard = _heard(connection, app, book, now_ms)
    silence = _silence(heard)
    names = {each.node: each.named for each in reported}
    tally = book.tally(now_ms)._replace(nodes=tuple(names.get(each, each) for each in book.nodes))
    if not in_backlog:
        without = (SilenceWithout(n, _silence(heard, n, name)) for n, name in enumerate(book.nodes, 1))
        tally = tally._replace(silence=silence, silence_without=tuple(without))
    evidence = judge(app, book.watch, tally, now_ms)
    evidence = msgspec.structs.replace(evidence, reported=reported)
    if _says_the_same(before, evidence, now_ms) or (in_backlog and evidence.verdict is not Verdict.FAILS):
        return evidence
    series = _with_point(before.series, evidence, book.figures)
    networks = _networks(book)
    failing = [of for of in networks if of[1]]
    worst = sorted(failing, key=lambda of: (-of[1], of[0]))[:_WORST]
    standing = GuardStanding(
        evidence=evidence,
        bundle=book.watch.bundle,
        series=series,
        breakdowns=break_down(book.cells, labels_of, cause_of),
        networks=len(networks),
        worst_networks=[(attempts, failed) for attempts, failed in worst],
        capped=book.capped,
        silence=before.silence if in_backlog else [_silent_age(book, heard, n, each) for n, each in enumerate(silence)],
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


class _Heard(NamedTuple):
    """What silence is judged by: devices of the release, and of the control, by node; and the channel's releases
    before. All at each of SILENCE_AGES_MS."""

    release: dict[int, list[InstallsSettled]]
    control: dict[int, list[InstallsSettled]]
    earlier: list[list[SilentAge]]


def _heard(connection: sqlite3.Connection, app: str, book: WatchBook, now_ms: int) -> _Heard:
    control = book.control.settled_by_node(now_ms)
    return _Heard(book.settled_by_node(now_ms), control, _earlier(connection, app, book))


def _silence(heard: _Heard, without: int | None = None, name: str = "") -> tuple[SilenceCount, ...]:
    """Of all nodes, or as if the one of this number and name had brought nothing."""
    release, control = settled_of(heard.release, without), settled_of(heard.control, without)
    return tuple(
        SilenceCount(age_ms, release[n], tuple(_less(each[n], name) for each in heard.earlier), control[n])
        for n, age_ms in enumerate(SILENCE_AGES_MS)
    )


def _less(age: SilentAge, node: str) -> InstallsSettled:
    """Without what the node of this name brought; "" is none."""
    of_node = [each for each in age.of_nodes if node and each.node == node]
    devices, silent = sum(each.devices for each in of_node), sum(each.silent for each in of_node)
    return InstallsSettled(age.devices - devices, age.silent - silent)


def _earlier(connection: sqlite3.Connection, app: str, book: WatchBook) -> list[list[SilentAge]]:
    """Of the channel's releases before, at each of SILENCE_AGES_MS."""
    rows = connection.execute(
        "SELECT CAST(standing AS BLOB) FROM watches WHERE app = ? AND channel = ? AND ended_ms > 0"
        " AND standing NOT NULL ORDER BY ended_ms DESC LIMIT ?",
        (app, book.watch.channel, 4 * EARLIER_RELEASES),
    )
    found = [_decoded(stored) for (stored,) in rows]
    others = [each.silence for each in found if each is not None and _is_comparison(each, book.watch.bundle)]
    return [each for each in others if len(each) == len(SILENCE_AGES_MS)][:EARLIER_RELEASES]


def _is_comparison(before: GuardStanding, bundle: str) -> bool:
    """A release that was bad itself must not raise what is allowed."""
    verdict = before.evidence.verdict if before.evidence is not None else Verdict.WATCHING
    return before.bundle != bundle and verdict not in (Verdict.FAILS, Verdict.SILENT)


def _silent_age(book: WatchBook, heard: _Heard, index: int, count: SilenceCount) -> SilentAge:
    installed, silent = (sum(each[n] for each in count.earlier) for n in (0, 1))
    control = count.control or InstallsSettled(0, 0)
    others = sorted((node, counts[index]) for node, counts in heard.release.items() if node != HERE)
    of_nodes = tuple(SilentOfNode(book.nodes[node - 1], *each) for node, each in others)
    return SilentAge(count.age_ms / HOUR_MS, *count.release, installed, silent, *control, of_nodes)


def _networks(book: WatchBook) -> list[list[int]]:
    """Attempts and failures of each, as each node brought them."""
    networks = book.votes[book.figures].whole.networks()
    return [of for net, of in networks if net not in (TRUSTED_NETWORK, UNHEARD) and of[0]]


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

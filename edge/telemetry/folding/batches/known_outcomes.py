"""What the figures know of outcomes before these are counted: which were counted already, and whose device is known.

For who imports them: an id that nobody knows is most often a mistake in the export that it comes from.
"""

import sqlite3

from edge.domain.statistics.device_key import device_key
from edge.telemetry.folding.batches.custom_ids import CustomIds
from edge.telemetry.folding.batches.outcome_counting import outcome_key
from edge.telemetry.folding.words import NO_APP, WordKind, Words
from edge.telemetry.spool.app_records import KnownOutcomes, Outcome, Outcomes


def known_outcomes(connection: sqlite3.Connection, stated: Outcomes) -> KnownOutcomes:
    """Of what is folded by now."""
    app = Words(connection).known(NO_APP, WordKind.APP, stated.app) or NO_APP
    customs = CustomIds(connection)
    seen: set[int] = set()
    repeated = unmatched = 0
    for each in stated.of:
        key = outcome_key(stated.app, each)
        if key in seen or _is_there(connection, "SELECT 1 FROM outcome_ids WHERE key = ?", key):
            repeated += 1
        elif not _is_matched(connection, customs, app, stated.app, each):
            unmatched += 1
        seen.add(key)
    return KnownOutcomes(repeated, unmatched)


def _is_matched(connection: sqlite3.Connection, customs: CustomIds, number: int, app: str, outcome: Outcome) -> bool:
    device = device_key(app, outcome.device) if outcome.device else customs.device_of(number, outcome.custom_id)
    query = "SELECT 1 FROM devices WHERE app = ? AND key = ? AND cohort != 0"
    return device is not None and _is_there(connection, query, number, device)


def _is_there(connection: sqlite3.Connection, query: str, *values: int) -> bool:
    return connection.execute(query, values).fetchone() is not None

"""What SQLite reads of the database of figures, and nobody can make sense of: a bit that changed within a value.

It begins anew, that value alone; it is named in the log and counted, in the transaction of the caller.
"""

import logging
import sqlite3

DAMAGED_ROWS = "damaged_rows"  # its name among the totals

log = logging.getLogger("edge.node")


def note_damaged_row(connection: sqlite3.Connection, what: str, error: Exception) -> None:
    """`what` names the value and where it is."""
    reason = f"{type(error).__name__}: {error}"
    log.error("%s cannot be read (%s): it begins anew, all other figures stay; check the disk", what, reason)
    add = "INSERT INTO totals (name, n) VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1"
    connection.execute(add, (DAMAGED_ROWS,))

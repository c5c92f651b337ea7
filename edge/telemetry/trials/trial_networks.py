"""How many devices of each network are counted in an experiment: as many as of a guarded release. In the caller's
transaction.

The rows of `trial_networks` are read as they are asked for. Beside those of networks, the row ALL has all devices, and
a provider's (an IPv6 /32) is below it.
"""

import sqlite3

from edge.domain.guarding.networks import TRUSTED_NETWORK, is_counted
from edge.telemetry.spool.record import wide_network_of

ALL = -1


class TrialNetworks:
    """Of one experiment, in one batch."""

    def __init__(self, connection: sqlite3.Connection, experiment: int) -> None:
        self._connection, self._experiment = connection, experiment
        self._known: dict[int, int] = {}
        self._changed: set[int] = set()

    def admit(self, net: int) -> bool:
        """Whether another device of the network is counted; if so, it is from now on."""
        wide = wide_network_of(net)
        of_wide = None if wide is None else self._of(_row_of(wide))
        if net != TRUSTED_NETWORK and not is_counted(self._of(ALL), self._of(net), of_wide):
            return False
        for row in {ALL, net} | ({_row_of(wide)} if wide is not None else set()):
            self._known[row] = self._of(row) + 1
            self._changed.add(row)
        return True

    def store(self) -> None:
        rows = [(self._experiment, net, self._known[net]) for net in sorted(self._changed)]
        self._connection.executemany("INSERT OR REPLACE INTO trial_networks VALUES (?, ?, ?)", rows)
        self._changed.clear()

    def _of(self, row: int) -> int:
        found = self._known.get(row)
        if found is None:
            found = self._known[row] = devices_of(self._connection, self._experiment, row)
        return found


def devices_of(connection: sqlite3.Connection, experiment: int, row: int = ALL) -> int:
    """Those that are counted, of a network or of all."""
    query = "SELECT devices FROM trial_networks WHERE experiment = ? AND net = ?"
    found = connection.execute(query, (experiment, row)).fetchone()
    return found[0] if found else 0


def _row_of(wide: int) -> int:
    return ALL - 1 - wide

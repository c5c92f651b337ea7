"""The outbox of messages in a file: which device is to get what when, and what became of it.

For one thread. Each call is one transaction, on disk when it returns. A device has one row of a message, and a row is
SENDING before its attempt begins: what is SENDING when the file is opened was in doubt, and is UNKNOWN from then on.
"""

import secrets
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from edge.domain.errors import Unavailable
from edge.domain.messaging.planning import PlannedSend
from edge.push.outbox_schema import OPEN, OUTBOX_NUMBER, PUSH_OUTBOX_SCHEMA, REACHED, MessagePhase, SendState
from edge.push.trust import RandomDraw

SWEEP_ROWS = 20_000  # of an ended message at a time, some 100 ms: sends of others go on between
KEPT_SECONDS = 35 * 86_400  # of rows: the longest cap of a device looks back 31 days
MESSAGE_KEPT_SECONDS = 400 * 86_400  # of what came of a message
BUSY_SECONDS = 10.0
_DAY_SECONDS = 86_400
_OPEN = ",".join(str(int(each)) for each in OPEN)
_REACHED = ",".join(str(int(each)) for each in REACHED)


class OutboxMessage(NamedTuple):
    """A message whose plan has begun. `counts` is JSON of what the plan counted so far."""

    id: int
    app: str
    message: str
    phase: MessagePhase
    cursor: int | None
    counts: bytes
    why: str


class OpenSend(NamedTuple):
    """A send that is due."""

    key: int
    arm: str
    expires: int
    attempts: int


class SettledSend(NamedTuple):
    """What came of an attempt; `next` is when it may be tried again, if it may."""

    message: int
    key: int
    state: SendState
    code: str
    next: int = 0
    provider_id: str = ""


class WantedSends(NamedTuple):
    """Sends of one message that are to be tried at once; `gone` are the keys of those without a token, `per_day` is
    what the app sends in a day, `quiet` when the quiet hours of those are over that have them now."""

    message: int
    app: str
    sends: Sequence[OpenSend]
    gone: Collection[int]
    per_day: int
    quiet: Mapping[int, int]


class PushOutboxFile:
    """Opens, and creates, the file. Raises Unavailable `newer_schema`, sqlite3.Error."""

    def __init__(self, path: Path, now: float) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        number = self._db.execute("PRAGMA user_version").fetchone()[0]
        if number > OUTBOX_NUMBER:
            raise Unavailable("newer_schema", f"{path.name} has schema {number}, this release {OUTBOX_NUMBER}: upgrade")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")  # SENDING is on disk before the attempt
        with self._changing():
            for statement in PUSH_OUTBOX_SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {OUTBOX_NUMBER}")
            name = "INSERT INTO own_name SELECT ? WHERE NOT EXISTS (SELECT 1 FROM own_name)"
            self._db.execute(name, (secrets.token_hex(16),))
            self._db.execute(
                "UPDATE sends INDEXED BY sends_tried SET state = ?, code = 'interrupted', at = ? WHERE state = 2",
                (SendState.UNKNOWN, int(now)),
            )

    @classmethod
    def for_reading(cls, path: Path) -> Self:
        """Beside the one that writes, which has made the file; for questions, from several threads."""
        reading = cls.__new__(cls)
        reading._path = path
        reading._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        reading._db.execute("PRAGMA query_only = 1")
        return reading

    def close(self) -> None:
        self._db.close()

    def messages(self, app: str | None = None) -> list[OutboxMessage]:
        """All of an app, or of all apps those that have not ended."""
        where = "phase IN ('planning', 'sending') OR swept = 0" if app is None else "app = ?"
        query = f"SELECT id, app, message, phase, cursor, counts, why FROM messages WHERE {where} ORDER BY id"  # noqa: S608
        return [
            OutboxMessage(number, of, name, MessagePhase(phase), cursor, counts, why)
            for number, of, name, phase, cursor, counts, why in self._db.execute(query, () if app is None else (app,))
        ]

    def message(self, app: str, message: str) -> OutboxMessage | None:
        return next((each for each in self.messages(app) if each.message == message), None)

    def begin(self, app: str, message: str, now: float) -> OutboxMessage:
        """Its plan begins, or goes on."""
        with self._changing():
            self._db.execute(
                "INSERT OR IGNORE INTO messages VALUES (NULL, ?, ?, 'planning', ?, ?, '', '', 0)",
                (app, message, -(1 << 63), int(now)),
            )
        found = self.message(app, message)
        assert found is not None, "it was inserted"
        return found

    def add_page(self, message: int, provider_of: Mapping[int, str], sends: Iterable[PlannedSend], cursor: int,
                 counts: bytes) -> None:  # fmt: skip
        """A page of the plan, up to the device `cursor`. A device that has a row keeps it."""
        with self._changing():
            self._db.executemany(
                "INSERT OR IGNORE INTO sends VALUES (?, ?, ?, ?, 0, ?, ?, ?, 0, ?, '', '')",
                (
                    (message, each.key, each.arm, provider_of[each.key], each.due, each.expires, each.due, each.due)
                    for each in sends
                ),
            )
            self._db.execute("UPDATE messages SET cursor = ?, counts = ? WHERE id = ?", (cursor, counts, message))

    def next_turn(self, message: int) -> tuple[str, int]:
        """This outbox's name, and the number of a message's next turn."""
        with self._changing():
            self._db.execute("INSERT INTO turns VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1", (message,))
        query = "SELECT name, n FROM own_name, turns WHERE message = ?"
        found: tuple[str, int] = self._db.execute(query, (message,)).fetchone()
        return found

    def end(self, message: int, phase: MessagePhase, why: str = "") -> None:
        """Or from planning to sending. What has ended does not go on."""
        with self._changing():
            self._db.execute(
                "UPDATE messages SET phase = ?, why = ? WHERE id = ? AND phase IN ('planning', 'sending')",
                (phase.value, why, message),
            )

    def due(self, message: int, provider: str, now: float, limit: int) -> list[OpenSend]:
        """What may be tried now, the longest waiting first."""
        rows = self._db.execute(
            f"SELECT key, arm, expires, attempts FROM sends WHERE message = ? AND provider = ? AND state IN ({_OPEN})"  # noqa: S608
            " AND next <= ? ORDER BY next LIMIT ?",
            (message, provider, int(now), limit),
        )
        return [OpenSend(*row) for row in rows]

    def drawn(self, message: int, provider: str, now: float, draw: RandomDraw) -> list[OpenSend]:
        """Some of what may be tried now, at random."""
        rows = self._db.execute(
            "SELECT * FROM (SELECT key, arm, expires, attempts FROM sends WHERE message = ? AND provider = ?"  # noqa: S608
            f" AND state IN ({_OPEN}) AND next <= ? ORDER BY next LIMIT ?) ORDER BY random() LIMIT ?",
            (message, provider, int(now), draw.among, draw.limit),
        )
        return [OpenSend(*row) for row in rows]

    def next_due(self, message: int, provider: str) -> int | None:
        """When the next of a message is due; None: nothing is open."""
        query = f"SELECT min(next) FROM sends WHERE message = ? AND provider = ? AND state IN ({_OPEN})"  # noqa: S608
        found: int | None = self._db.execute(query, (message, provider)).fetchone()[0]
        return found

    def turn(self, settled: Sequence[SettledSend], wanted: WantedSends | None, now: float) -> list[OpenSend]:
        """Note what came of attempts, and claim what is to be tried next. Those whose attempts may begin are returned:
        they are SENDING. Others get their state: too old, without a token, or beyond what the app sends in a day. One
        that left meanwhile, or whose message ended, is none of them."""
        with self._changing():
            self._settle(settled, now)
            return self._claim(wanted, now) if wanted is not None else []

    def _claim(self, wanted: WantedSends, now: float) -> list[OpenSend]:
        query = "SELECT phase FROM messages WHERE id = ?"
        if self._db.execute(query, (wanted.message,)).fetchone() != (MessagePhase.SENDING.value,):
            return []
        left, claimed, begun = wanted.per_day - self.begun_on(wanted.app, now), list[OpenSend](), 0
        waiting = list[tuple[int, int, int]]()
        for each in wanted.sends:
            first = not each.attempts
            state = SendState.SENDING
            if each.expires <= max(now, wanted.quiet.get(each.key, 0)):
                state = SendState.EXPIRED
            elif each.key in wanted.gone:
                state = SendState.GONE
            elif each.key in wanted.quiet:
                waiting.append((wanted.quiet[each.key], wanted.message, each.key))
                continue
            elif first and begun >= left:  # an attempt that is repeated counts for no day again
                state = SendState.CAPPED
            tried = state is SendState.SENDING
            changed = self._db.execute(
                f"UPDATE sends SET state = ?1, code = iif(?1 = {int(SendState.GONE)}, '', code), at = ?3,"  # noqa: S608
                f" attempts = attempts + ?2 WHERE message = ?4 AND key = ?5 AND state IN ({_OPEN})",
                (state, tried, int(now), wanted.message, each.key),
            ).rowcount
            if tried and changed:
                claimed.append(each)
                begun += first
        wait = f"UPDATE sends SET next = ? WHERE message = ? AND key = ? AND state IN ({_OPEN})"  # noqa: S608
        self._db.executemany(wait, waiting)
        if begun:  # on disk with the claims: whatever happens, no day has more
            add = "INSERT INTO day_counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
            self._db.execute(add, (wanted.app, int(now) // _DAY_SECONDS, begun))
        return claimed

    def _settle(self, settled: Sequence[SettledSend], now: float) -> None:
        """One that may be repeated of a message that ended meanwhile is not: the next sweep gives it its state."""
        again = {(each.message,) for each in settled if each.state in OPEN}
        self._db.executemany("UPDATE messages SET swept = 0 WHERE id = ? AND swept = 1", again)
        self._db.executemany(
            "UPDATE sends SET state = ?, code = ?, next = ?, provider_id = ?, at = ? WHERE message = ? AND key = ?"
            " AND state = 2",
            (
                (each.state, each.code[:64], each.next, each.provider_id[:128], int(now), each.message, each.key)
                for each in settled
            ),
        )

    def interrupt(self, app: str, provider: str, now: float) -> None:
        """What was being tried of an app by a provider is in doubt: whoever tried it failed."""
        with self._changing():
            self._db.execute(
                "UPDATE sends INDEXED BY sends_tried SET state = ?, code = 'interrupted', at = ? WHERE state = 2"
                " AND provider = ?"
                " AND message IN (SELECT id FROM messages WHERE app = ?)",
                (SendState.UNKNOWN, int(now), provider, app),
            )

    def sweep(self, message: int, state: SendState, now: float) -> bool:
        """Give a part of what was open when the message ended this state. Returns whether all have it."""
        with self._changing():
            keys = f"SELECT key FROM sends WHERE message = ? AND state IN ({_OPEN}) LIMIT {SWEEP_ROWS}"  # noqa: S608
            changed = self._db.execute(
                f"UPDATE sends SET state = ?, at = ? WHERE message = ? AND key IN ({keys})",  # noqa: S608
                (state, int(now), message, message),
            ).rowcount
            if changed < SWEEP_ROWS:
                self._db.execute("UPDATE messages SET swept = 1 WHERE id = ?", (message,))
        return changed < SWEEP_ROWS

    def is_over(self, message: int) -> bool:
        """Whether nothing of it is open or being sent."""
        return not any(
            self._db.execute(f"SELECT 1 FROM sends INDEXED BY {only} AND message = ? LIMIT 1", (message,)).fetchone()  # noqa: S608
            for only in (f"sends_open WHERE state IN ({_OPEN})", "sends_tried WHERE state = 2")
        )

    def near_sends(self, keys: Sequence[int], message: str) -> Mapping[int, Sequence[int]]:
        """When these devices got or get other messages."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as connection:  # for any thread
            for key, due in self._near(connection, keys, message):
                found[key].append(due)
        return found

    @staticmethod
    def _near(connection: sqlite3.Connection, keys: Sequence[int], message: str) -> list[tuple[int, int]]:
        return connection.execute(
            f"SELECT s.key, s.due FROM sends AS s JOIN messages AS m ON m.id = s.message WHERE s.state IN ({_REACHED})"  # noqa: S608
            f" AND s.key IN ({','.join('?' * len(keys))}) AND m.message <> ?",
            (*keys, message),
        ).fetchall()

    def tally(self, message: int) -> Counter[tuple[str, SendState]]:
        """How many sends of each arm are in each state."""
        found = Counter[tuple[str, SendState]]()
        for query in (
            "SELECT arm, state, count(*) FROM sends WHERE message = ? GROUP BY arm, state",
            "SELECT arm, state, n FROM past_sends WHERE message = ?",
        ):
            for arm, state, n in self._db.execute(query, (message,)):
                found[arm, SendState(state)] += n
        return found

    def codes(self, message: int, limit: int = 20) -> list[tuple[SendState, str, int]]:
        """Why sends failed, the most frequent first."""
        of = "SELECT state, code, count(*) AS n FROM sends WHERE message = ? AND code <> ''"
        rows = self._db.execute(f"{of} GROUP BY state, code ORDER BY n DESC LIMIT ?", (message, limit))
        return [(SendState(state), code, n) for state, code, n in rows]

    def begun_on(self, app: str, now: float) -> int:
        """How many sends of an app began today (UTC)."""
        query = "SELECT n FROM day_counts WHERE app = ? AND day = ?"
        row = self._db.execute(query, (app, int(now) // _DAY_SECONDS)).fetchone()
        return int(row[0]) if row else 0

    def halts(self) -> dict[tuple[str, str], tuple[str, int]]:
        """Which credentials were refused: by app and provider the code, and since when."""
        return {(app, of): (code, at) for app, of, code, at in self._db.execute("SELECT * FROM halts")}

    def halt(self, app: str, provider: str, code: str, now: float) -> bool:
        """Whether that is new."""
        with self._changing():
            values = (app, provider, code, int(now))
            return self._db.execute("INSERT OR IGNORE INTO halts VALUES (?, ?, ?, ?)", values).rowcount > 0

    def resume(self, app: str, provider: str) -> None:
        with self._changing():
            self._db.execute("DELETE FROM halts WHERE app = ? AND provider = ?", (app, provider))

    def erase(self, keys: Iterable[int]) -> int:
        """All rows of devices; a send that is being tried goes on to its end. Returns how many."""
        with self._changing():
            return self._db.executemany("DELETE FROM sends WHERE key = ?", ((key,) for key in keys)).rowcount

    def age(self, now: float) -> int:
        """Rows of messages that ended long ago become sums. Returns how many."""
        rows, before = 0, int(now) - KEPT_SECONDS
        old = "SELECT id FROM messages WHERE swept = 1 AND planned_at < ?"
        for (message,) in self._db.execute(old, (before,)).fetchall():
            with self._changing():
                self._db.execute(
                    "INSERT INTO past_sends SELECT message, arm, state, count(*) FROM sends WHERE message = ?"
                    " GROUP BY arm, state ON CONFLICT DO UPDATE SET n = n + excluded.n",
                    (message,),
                )
                rows += self._db.execute("DELETE FROM sends WHERE message = ?", (message,)).rowcount
        with self._changing():
            self._db.execute("DELETE FROM day_counts WHERE day < ?", (before // _DAY_SECONDS,))
            over = (int(now) - MESSAGE_KEPT_SECONDS,)
            self._db.execute("DELETE FROM messages WHERE swept = 1 AND planned_at < ?", over)
            for table in ("past_sends", "turns"):
                self._db.execute(f"DELETE FROM {table} WHERE message NOT IN (SELECT id FROM messages)")  # noqa: S608
        return rows

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._db:  # a beginning that fails half-way, as of a full disk, is rolled back as well
            self._db.execute("BEGIN IMMEDIATE")
            yield

"""A ClickHouse server as this node uses it: run a statement, ask, insert a batch. Over HTTP(S), with
clickhouse-connect, which is an extra of the package.

Values go as parameters, apart from the SQL, whose text is this package's own. Every call ends by a limit of time and
raises ClickHouseFault for whatever goes wrong; its message names the server and never the password.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

import zstandard

from edge.domain.errors import Unavailable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

CONNECT_SECONDS = 10
ANSWER_SECONDS = 120  # of silence, for an insert of `BATCH_ROWS` into a busy server
QUESTION_SECONDS = 30  # of a question's execution: who asks waits for it
REASON_CHARACTERS = 500  # of what the server says: its messages quote what was sent

PASSWORD_VARIABLE = "EDGE_CLICKHOUSE_PASSWORD"  # noqa: S105
PASSWORD_CHARACTERS = 4_096

_LEVEL = 1
_T = TypeVar("_T")


class ClickHouseFault(Unavailable):
    """ClickHouse cannot be used now: `clickhouse_unavailable`, or with a code of its own for what no retry mends."""


class ClickHouseAddress(NamedTuple):
    """Where the server is and who asks it, from `https://user@host:8443/database`."""

    secure: bool
    user: str
    host: str
    port: int
    database: str

    @property
    def shown(self) -> str:
        """As logs and reports name it."""
        return f"{self.host}:{self.port}/{self.database}"


def parse_clickhouse_address(url: str) -> ClickHouseAddress:
    """`url` has been checked when the configuration was read (`clickhouse_fault`)."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (8443 if secure else 8123)
    return ClickHouseAddress(secure, unquote(parts.username or ""), host, port, unquote(parts.path.strip("/")))


class ClickHouseServer:
    """Safe among threads. Connects at the first call, and again after a failure to connect."""

    def __init__(self, connect: "Callable[[], Client]", shown: str) -> None:
        """`connect` makes a client of clickhouse-connect; `shown` is the server in messages."""
        self._connect = connect
        self._client: Client | None = None
        self._lock = threading.Lock()
        self.shown = shown

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        self._with_client(lambda client: client.command(statement, dict(parameters or {})))

    def ask(self, question: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """The rows of the answer."""
        settings = {"max_execution_time": QUESTION_SECONDS}
        asked = dict(parameters or {})
        return self._with_client(lambda client: client.query(question, asked, settings=settings).result_rows)

    def insert(self, table: str, columns: Sequence[str], lines: bytes, settings: Mapping[str, Any]) -> None:
        """`lines` are JSON arrays in the order of `columns`. They travel compressed, to a tenth. When it returns, they
        are stored."""
        body = zstandard.ZstdCompressor(_LEVEL).compress(lines)
        form = "JSONCompactEachRow"
        self._with_client(
            lambda client: client.raw_insert(table, columns, body, dict(settings), fmt=form, compression="zstd")
        )

    def _with_client(self, work: "Callable[[Client], _T]") -> _T:
        from clickhouse_connect.driver.exceptions import ClickHouseError
        from urllib3.exceptions import HTTPError

        try:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
                client = self._client
            return work(client)
        except (ClickHouseError, HTTPError, OSError) as error:
            reason = " ".join(str(error).split())[:REASON_CHARACTERS]
            raise ClickHouseFault("clickhouse_unavailable", f"ClickHouse at {self.shown}: {reason}") from error


def read_clickhouse_password(file: str, environ: Mapping[str, str]) -> str:
    """From the variable, else the first line of the file; "" without either. Raises ClickHouseFault."""
    if PASSWORD_VARIABLE in environ:
        return environ[PASSWORD_VARIABLE]
    if not file:
        return ""
    try:
        with Path(file).open(encoding="utf-8") as stream:
            return stream.readline(PASSWORD_CHARACTERS).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        message = f"cannot read the password of ClickHouse in {file}: {reason}"
        raise ClickHouseFault("clickhouse_password_unreadable", message) from error


def connect_to_clickhouse(address: ClickHouseAddress, password: Callable[[], str]) -> ClickHouseServer:
    """Connects when it is used, and asks for the password then. Raises ClickHouseFault `clickhouse_missing` if the
    package is not installed."""
    try:
        import clickhouse_connect
    except ImportError as error:
        reason = "telemetry.clickhouse needs clickhouse-connect: pip install 'edge-updates[clickhouse]'"
        raise ClickHouseFault("clickhouse_missing", reason) from error

    def connect() -> "Client":
        return clickhouse_connect.get_client(
            interface="https" if address.secure else "http",
            host=address.host,
            port=address.port,
            username=address.user or "default",
            password=password(),
            database=address.database,
            compress="zstd",
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=ANSWER_SECONDS,
            autogenerate_session_id=False,  # a session has one query at a time; questions are asked beside inserts
            query_retries=0,
        )

    return ClickHouseServer(connect, address.shown)

"""The webhooks of a node: one file in its own directory, beside its signing key, readable by its user alone.

Not in the store, where tokens are: a receiver's secret is needed to sign, so it cannot be kept as a hash, and a store
is exported, copied and shared. Any process of the node may change the file: each change holds a lock. Calls block, and
raise Unavailable `webhooks_unavailable` if the file cannot be used.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge.domain.errors import Conflict, NotFound, Unavailable
from edge.messages.notice import Notice, NoticeKind
from edge.messages.signature import new_signing_secret
from edge.messages.webhook import (
    NAME_LIMIT,
    WEBHOOK_LIMIT,
    Webhook,
    WebhookForm,
    parse_filter,
    parse_webhook_name,
    parse_webhook_url,
)
from edge.store.disk.durable_files import FILE_MODE, replace_file
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside

WEBHOOKS_FORMAT = 1
_LOST = "no notice is sent until webhooks are added again"


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    webhooks: list[Webhook]


_decoder = msgspec.json.Decoder(_Document)


class Webhooks:
    """In the file `path`. Every call reads it, so what another process changed is seen at once."""

    def __init__(self, path: Path, *, allow_http: bool = False) -> None:
        self._path = path
        self._allow_http = allow_http

    def records(self) -> list[Webhook]:
        """By name. A file that is damaged is set aside."""
        return sorted(self._read(), key=lambda each: each.name)

    def named(self, name: str) -> Webhook:
        """Raises NotFound `unknown_webhook`."""
        for each in self._read():
            if each.name == name:
                return each
        raise NotFound("unknown_webhook", f"unknown webhook {name[:NAME_LIMIT]!r}")

    def receivers_of(self, notice: Notice) -> list[str]:
        """The ids of those that want it."""
        return [each.id for each in self._read() if each.wants(notice)]

    def add(
        self,
        name: str,
        url: str,
        form: WebhookForm,
        apps: Sequence[str],
        kinds: Sequence[NoticeKind],
        *,
        by: str,
        now: float,
        command: str,
    ) -> Webhook:
        """With a new secret; `now` is in seconds since the epoch. A repeat of the same command replaces the secret.

        Raises Invalid `invalid_webhook_name`, `invalid_webhook_url`, `invalid_app_id`, `too_many_apps`, Conflict
        `webhook_exists`, `command_id_used`, `too_many_webhooks`.
        """
        made = Webhook(
            id=secrets.token_hex(8),
            name=parse_webhook_name(name),
            url=parse_webhook_url(url, allow_http=self._allow_http),
            form=form,
            apps=parse_filter(apps),
            kinds=sorted(set(kinds), key=lambda each: each.value),
            secret=new_signing_secret(),
            created=now,
            by=by,
            command=command,
        )
        self._change(lambda known: _with(known, made))
        return made

    def remove(self, name: str) -> Webhook:
        """Raises NotFound `unknown_webhook`."""
        gone = self.named(name)
        self._change(lambda known: [each for each in known if each.id != gone.id])
        return gone

    def _change(self, edit: Callable[[list[Webhook]], list[Webhook]]) -> None:
        with self._lock():
            document = _Document(format=WEBHOOKS_FORMAT, webhooks=edit(self._read()))
            scratch = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.new")
            replace_file(self._path, msgspec.json.encode(document), scratch)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        fd = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _read(self) -> list[Webhook]:
        try:
            document = _decoder.decode(read_own_file(self._path))
        except FileNotFoundError:
            return []
        except (Damaged, msgspec.DecodeError, UnicodeDecodeError) as error:
            set_aside(self._path, str(error), _LOST)
            return []
        except OSError as error:
            raise Unavailable("webhooks_unavailable", f"cannot read {self._path}: {error.strerror}") from error
        if document.format != WEBHOOKS_FORMAT:
            raise Unavailable("webhooks_unavailable", f"a newer release wrote {self._path}: upgrade this node")
        return document.webhooks


def _with(known: list[Webhook], made: Webhook) -> list[Webhook]:
    for each in known:
        if each.name == made.name and not _is_repeat(each, made):
            raise Conflict("webhook_exists", f"webhook {made.name!r} already exists; remove it first")
        if each.command == made.command and not _is_repeat(each, made):
            raise Conflict("command_id_used", f"command id {made.command!r} was first used to add {each.name!r}")
    others = [each for each in known if each.name != made.name]
    if len(others) >= WEBHOOK_LIMIT:
        raise Conflict("too_many_webhooks", f"this node has {WEBHOOK_LIMIT} webhooks, which is the limit; remove one")
    return [*others, made]


def _is_repeat(one: Webhook, other: Webhook) -> bool:
    asked = (one.command, one.by, one.name, one.url, one.form, one.apps, one.kinds)
    return asked == (other.command, other.by, other.name, other.url, other.form, other.apps, other.kinds)

"""What people change of messages, as commands: unchecked, as all commands."""

import msgspec


class NewMessageWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: str = ""
    body: str = ""


class NewMessageText(NewMessageWords, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`locales`: for devices of a language, such as `de` or `pt-BR`."""

    locales: dict[str, NewMessageWords] = {}


class CreateMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="create_message"):
    """Send it to a segment's devices, to those of an expression, or to all. `when` is `now`, `best`,
    `2026-12-01 09:00 local` or `… UTC`; `quiet` like `22:00-08:00`, `cap` like `3/week`, empty: none. Shares are in
    thousandths of a percent. `expected` is how many devices a preview stated."""

    texts: tuple[NewMessageText, ...]
    when: str
    expected: int
    segment: str | None = None
    where: str | None = None
    data: dict[str, str] = {}
    silent: bool = False
    quiet: str = ""
    cap: str = ""
    share: int = 100_000
    hold_out: int = 0
    ttl_seconds: int = 86_400


class CancelMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="cancel_message"):
    """Send nothing more of it."""

    message: str


class SetMessageCaps(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_message_caps"):
    """How many messages of the app are sent in a day, 0: none; and to one device, like `3/week`, empty: any."""

    per_day: int
    device: str = ""

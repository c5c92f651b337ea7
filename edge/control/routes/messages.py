"""Messages to devices: preview, create, list, show, cancel, and the caps of all. Nothing is sent that no preview
counted."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import msgspec

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app, command_id, commit, load_app
from edge.control.operations import Operation
from edge.control.ports import MessagesPort
from edge.control.shapes.messages import (
    CapsChanged,
    CapsRequest,
    HourView,
    MessageCancelled,
    MessageCreated,
    MessageLine,
    MessagePreview,
    MessageRequest,
    MessageState,
    MessagesView,
    MessageView,
    NewMessageRequest,
    ShownText,
)
from edge.domain.app_parts.protection import Proposal
from edge.domain.app_parts.stored_messages import StoredMessage, format_cap, format_quiet, format_when
from edge.domain.changes.command_ids import proposed_command
from edge.domain.changes.messages.message_changes import message_id
from edge.domain.changes.messages.message_commands import (
    CancelMessage,
    CreateMessage,
    NewMessageText,
    SetMessageCaps,
)
from edge.domain.errors import Conflict, NotFound, Unavailable
from edge.domain.messaging.planning import is_near
from edge.domain.model import AppState
from edge.domain.shares import format_share, parse_share
from edge.domain.states import message_of
from edge.push.outbox_schema import MessagePhase
from edge.push.plan_run import StoredCounts
from edge.push.questions import (
    HaltedProvider,
    MessageFigures,
    MessageProgress,
    MessagesFound,
    PreviewAsked,
    PreviewFound,
)

_MESSAGES = "/v1/apps/{app}/messages"
CANCEL_LOOK_SECONDS = 2.0  # a cancel does not wait for a process that hangs


async def handle_preview(call: Call[MessageRequest]) -> MessagePreview:
    """Refuses what creating it would."""
    await check_app(call)
    change_id = command_id(call)
    found = await _preview(call, _command(call.body, 0), change_id)
    return view_preview(call.app, change_id, found)


async def handle_create(call: Call[NewMessageRequest]) -> MessageCreated:
    """Raises Conflict `preview_differs`, `above_daily_cap`, and what a preview raises."""
    command, change_id = _command(call.body, call.body.expected), command_id(call)
    state = await load_app(call)
    planned = call.body.expected
    if not any(getattr(used, "id", used) == change_id for used in state.recent):  # else it was made before
        found = await _preview(call, command, change_id)
        planned = found.planned
        check_expected(found, call.body.expected)
    committed = await commit(call, call.app, command)
    return MessageCreated(
        app=call.app,
        revision=committed.state.revision,
        changed=committed.changed,
        message=message_id(change_id),
        planned=planned,
    )


async def handle_list(call: Call[None]) -> MessagesView:
    state = await load_app(call)
    return await list_messages(call.ports.messages, state)


async def list_messages(port: MessagesPort | None, state: AppState) -> MessagesView:
    """Of an app; without what only the process that sends knows, while that is starting, and elsewhere."""
    try:
        found = await _port(port).listing(state.app)
    except (Unavailable, NotFound):
        found = None
    progress = {each.message: each for each in found.messages} if found else {}
    lines = [view_line(each, progress.get(each.id)) for each in state.messages.values()]
    halted: list[HaltedProvider] = list(found.halted) if found else []
    return MessagesView(
        messages=sorted(lines, key=lambda line: -line.created),
        registered=found.registered if found else 0,
        tokens=found.tokens if found else {},
        per_day=state.message_caps.per_day,
        device_cap=format_cap(state.message_caps.device),
        begun_today=found.begun_today if found else 0,
        halted=halted,
        known=found is not None,
    )


async def handle_show(call: Call[None]) -> MessageView:
    return await show_message(call.ports.messages, await load_app(call), call.part("message"))


async def show_message(port: MessagesPort | None, state: AppState, name: str) -> MessageView:
    """Raises NotFound `unknown_message`, Unavailable."""
    message = message_of(state, name)
    figures: MessageFigures | None = None
    with suppress(NotFound):  # not planned yet
        figures = await _port(port).figures(state.app, name)
    counts = figures.progress.counts if figures else StoredCounts()
    return MessageView(
        line=view_line(message, figures.progress if figures else None),
        data=dict(message.data),
        quiet=format_quiet(message.quiet),
        cap=format_cap(message.cap),
        share=format_share(message.share),
        hold_out=format_share(message.hold_out),
        ttl_seconds=message.ttl_seconds,
        left_out=counts.left_out,
        sends=figures.progress.sends if figures else [],
        codes=figures.codes if figures else [],
        arms=figures.arms if figures else [],
        effects=figures.effects if figures else [],
        effect_hours=figures.effect_hours if figures else 24,
    )


async def handle_cancel(call: Call[None]) -> MessageCancelled:
    """Raises Conflict `message_over`."""
    state, name = await load_app(call), call.part("message")
    if not message_of(state, name).cancelled:
        with suppress(Unavailable, NotFound, TimeoutError):  # how far it is cannot be told: it is cancelled
            async with asyncio.timeout(CANCEL_LOOK_SECONDS):
                check_open(await _port(call.ports.messages).listing(state.app), name)
    committed = await commit(call, call.app, CancelMessage(message=name))
    return MessageCancelled(app=call.app, revision=committed.state.revision, changed=committed.changed, message=name)


async def handle_caps(call: Call[CapsRequest]) -> CapsChanged:
    command = SetMessageCaps(per_day=call.body.per_day, device=call.body.device)
    committed = await commit(call, call.app, command)
    caps = committed.state.message_caps
    return CapsChanged(
        app=call.app,
        revision=committed.state.revision,
        changed=committed.changed,
        per_day=caps.per_day,
        device=format_cap(caps.device),
    )


def check_expected(found: PreviewFound, expected: int) -> None:
    """Raises Conflict `preview_differs`, `above_daily_cap`."""
    if not is_near(found.planned, expected):
        raise Conflict(
            "preview_differs",
            f"it would be sent to {found.planned:,} devices, not {expected:,}: look at a preview again, and state its "
            "number",
        )
    most = max(found.counts.by_day.values(), default=0)
    if most > found.per_day:
        raise Conflict(
            "above_daily_cap",
            f"{most:,} sends in one day are above the app's cap of {found.per_day:,}: take a smaller share, or have "
            "the cap raised (edge message cap)",
        )


def check_open(found: MessagesFound, name: str) -> None:
    """Raises Conflict `message_over` for one that every device has its state of."""
    if any(each.message == name and each.phase == MessagePhase.DONE.value for each in found.messages):
        raise Conflict("message_over", f"message {name!r} is done: nothing of it is left to cancel")


def view_preview(app: str, change_id: str, found: PreviewFound) -> MessagePreview:
    counts = found.counts
    return MessagePreview(
        app=app,
        id=change_id,
        planned=found.planned,
        held_out=found.held_out,
        left_out=counts.left_out,
        arms=counts.sends,
        registered=found.registered,
        tokens=found.tokens,
        unknown_zones=counts.unknown_zones,
        unknown_hours=counts.unknown_hours,
        first_due=counts.first_due or None,
        last_due=counts.last_due or None,
        hours=[HourView(at=hour * 3_600.0, n=n) for hour, n in sorted(counts.by_hour.items())],
        per_day=found.per_day,
        left_today=found.left_today,
    )


def view_line(message: StoredMessage, progress: MessageProgress | None) -> MessageLine:
    """Its state is that of the outbox, unless it was cancelled."""
    sends = Counter[str]()
    for each in progress.sends if progress else ():
        sends[each.state] += each.n
    counts = progress.counts if progress else StoredCounts()
    return MessageLine(
        id=message.id,
        state=_state(message, progress),
        why=progress.why if progress else "",
        texts=[msgspec.convert(each, ShownText, from_attributes=True) for each in message.texts],
        silent=message.silent,
        audience=message.segment or message.where or "all registered devices",
        when=format_when(message),
        created=message.created,
        expected=message.expected,
        planned=counts.planned,
        held_out=counts.held_out,
        sends=dict(sends),
    )


def _state(message: StoredMessage, progress: MessageProgress | None) -> MessageState:
    if message.cancelled and (progress is None or progress.phase != MessagePhase.DONE.value):
        return "cancelled"
    if progress is None:
        return "waiting"
    found: dict[str, MessageState] = {
        "planning": "planning",
        "sending": "sending",
        "done": "done",
        "cancelled": "cancelled",
        "stopped": "stopped",
    }
    return found[progress.phase]


async def preview_proposed(call: Call[Any], proposal: Proposal) -> tuple[PreviewFound, int] | None:
    """Of the message that it would send, as of now, and how many its author has seen; None for another change."""
    command = proposed_command(proposal.command)
    if not isinstance(command, CreateMessage):
        return None
    return await _preview(call, command, proposal.change), command.expected


async def _preview(call: Call[Any], command: CreateMessage, change_id: str) -> PreviewFound:
    head = await asyncio.to_thread(call.ports.releases.head, call.app)
    asked = PreviewAsked(call.app, head.revision, head.digest, command, call.ports.clock.now(), change_id)
    return await _port(call.ports.messages).preview(asked)


def _port(port: MessagesPort | None) -> MessagesPort:
    if port is None:
        raise NotFound("no_messages_here", "this node sends no messages: ask the one that holds the truth")
    return port


def _command(body: MessageRequest, expected: int) -> CreateMessage:
    """Raises Invalid `invalid_share`."""
    return CreateMessage(
        texts=msgspec.convert(msgspec.to_builtins(body.texts), tuple[NewMessageText, ...]),
        when=body.when,
        expected=expected,
        segment=body.segment,
        where=body.where,
        data=body.data,
        silent=body.silent,
        quiet=body.quiet,
        cap=body.cap,
        share=parse_share(body.share),
        hold_out=parse_share(body.hold_out),
        ttl_seconds=body.ttl_seconds,
    )


OPERATIONS = (
    Operation(
        name="preview_message",
        method="POST",
        path=f"{_MESSAGES}/preview",
        summary="Count the devices that a message would be sent to, and when; nothing is sent",
        permission=Permission.SEND_MESSAGES,
        handle=handle_preview,
        answer=MessagePreview,
        body=MessageRequest,
        takes_id=True,
        refusals=(413, 503),
    ),
    Operation(
        name="create_message",
        method="POST",
        path=_MESSAGES,
        summary="Send a message to as many devices as a preview stated, now or at the time that it says",
        permission=Permission.SEND_MESSAGES,
        handle=handle_create,
        answer=MessageCreated,
        body=NewMessageRequest,
        changes=True,
        refusals=(413, 503),
    ),
    Operation(
        name="list_messages",
        method="GET",
        path=_MESSAGES,
        summary="List an app's messages, how far they are, and its registered devices",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=MessagesView,
    ),
    Operation(
        name="show_message",
        method="GET",
        path=f"{_MESSAGES}/{{message}}",
        summary="Show a message, what became of it on how many devices, and what it changed",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=MessageView,
        refusals=(503,),
    ),
    Operation(
        name="cancel_message",
        method="POST",
        path=f"{_MESSAGES}/{{message}}/cancel",
        summary="Send nothing more of a message",
        permission=Permission.SEND_MESSAGES,
        handle=handle_cancel,
        answer=MessageCancelled,
        changes=True,
    ),
    Operation(
        name="set_message_caps",
        method="PUT",
        path="/v1/apps/{app}/message-caps",
        summary="Set how many messages the app sends in a day, and one device gets",
        permission=Permission.SET_RULES,
        handle=handle_caps,
        answer=CapsChanged,
        body=CapsRequest,
        changes=True,
    ),
)

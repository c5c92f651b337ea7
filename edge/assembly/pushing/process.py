"""The process that sends messages: plans them, tries them, and answers questions about them.

Started as `python -m edge.assembly.pushing.process 3` with its end of the link. It ends when its supervisor is gone, at
once: what it was trying is in doubt then, and is not tried again.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edge.assembly.children.child_messages import Ask, AskAnswered, Beat, declined
from edge.assembly.children.child_process import be_child
from edge.assembly.pushing.sender_messages import (
    GivenCredentials,
    GivenTurn,
    SenderCondition,
    SenderHeads,
    SenderSetup,
    SenderTold,
    ToSender,
    WantCredentials,
    WantTurn,
)
from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.errors import EdgeError, Unavailable
from edge.domain.model import AppId, AppState, Digest
from edge.domain.pushing.payload import ProviderKind
from edge.node.observing.log import set_up_logging
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.link import Link
from edge.node.service.numbered_replies import NumberedReplies
from edge.push.audience import Audience, open_audience
from edge.push.director import DirectorParts, PushDirector
from edge.push.erasing import ErasedFromOutbox
from edge.push.outbox_file import PushOutboxFile
from edge.push.providers.opening import open_providers
from edge.push.providers.port import PushProvider
from edge.push.questions import MessageAsked, MessageQuestions, PreviewAsked
from edge.push.registered import RegisteredDevices
from edge.push.serial_outbox import SerialOutbox
from edge.store.objects.fs import FsStore
from edge.store.releases import Head
from edge.store.revisions import Revisions
from edge.telemetry.behaviour.known_facts import KnownFacts
from edge.telemetry.spool.disk_budget import DiskBudget
from edge.telemetry.spool.push_records import PushRecord, encode_push
from edge.telemetry.spool.spool import Spool

SENDER_WORKER = 998  # in the names of segments, beyond every worker's number, and not the supervisor's
BEAT_SECONDS = 5.0
READERS = 2  # questions answered at once
CREDENTIALS_SECONDS = 20.0  # for an app's credentials, which the supervisor reads and opens
TURN_ANSWER_SECONDS = 60.0  # for a mark in the store: a bucket's client gives up before
CREDENTIALS_LOOK_SECONDS = 15.0  # between two looks whether they changed

log = logging.getLogger("edge.push")


class SendingProcess:
    """Everything of the process. `run` returns when the supervisor is gone."""

    def __init__(self, setup: SenderSetup, link: Link) -> None:
        self._link, self._loop = link, asyncio.get_running_loop()
        paths = DataPaths(Path(setup.data_dir))
        store, now = FsStore(paths.store_dir), time.time
        self._revisions = Revisions(store)
        self._facts = KnownFacts(Path(setup.facts_table), paths.behaviour_table)
        self._setup, self._credentials = setup, NumberedReplies[GivenCredentials]()
        self._turns = NumberedReplies[GivenTurn]()
        self._given: dict[str, dict[str, bytes]] = {}  # by app, what its lanes were opened with
        self._faults: dict[tuple[str, str], str] = {}  # by app and provider, why it has no lane
        file = PushOutboxFile(paths.push_outbox, now())
        self._outbox = SerialOutbox(file, ThreadPoolExecutor(1, "push-outbox"))
        budget = DiskBudget(paths.spool_dir, setup.spool_limit_bytes)
        self._spool = Spool(paths.spool_dir, setup.node, SENDER_WORKER, budget=budget)
        registered = RegisteredDevices(paths.counts_database)
        audience: Callable[[AppState, StoredMessage], Audience] = lambda state, message: open_audience(  # noqa: E731
            store, state, message, setup.place, self._facts.look_up
        )
        parts = DirectorParts(
            load=self._load_head,
            audience=audience,
            providers_of=self._providers_of,
            registered=registered,
            keep=self._keep,
            take_turn=self._take_turn,
            tell=lambda *told: self._link.send(SenderTold(*told)),
        )
        self._director = PushDirector(parts, self._outbox)
        self._erased = ErasedFromOutbox(paths.erasures_dir)
        reading = PushOutboxFile.for_reading(paths.push_outbox)
        questions = MessageQuestions(registered, paths.counts_database, reading, self._load, audience, now)
        self._answers: Mapping[str, Callable[[bytes], msgspec.Struct]] = {
            "preview": lambda asked: questions.preview(msgspec.json.decode(asked, type=PreviewAsked)),
            "listing": lambda asked: questions.listing(msgspec.json.decode(asked, type=MessageAsked)),
            "figures": lambda asked: questions.figures(msgspec.json.decode(asked, type=MessageAsked)),
        }
        self._readers = ThreadPoolExecutor(READERS, "push-questions")
        self._work: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve the link."""
        self._start(self._direct())
        self._start(self._beat())
        self._start(self._follow_credentials())
        while (message := await self._link.receive()) is not None:
            match message:
                case Ask():
                    self._start(self._answer(message))
                case SenderHeads(heads):
                    self._director.hear(heads)
                case GivenCredentials(number):
                    self._credentials.settle(number, message)
                case GivenTurn(number):
                    self._turns.settle(number, message)

    async def _direct(self) -> None:
        try:
            await self._director.run()
        except Exception:
            log.exception("sending messages failed, and begins again in a new process; this is a bug, please report it")
            self._link.close()

    async def _beat(self) -> None:
        while True:
            self._link.send(Beat())
            try:
                await self._tell_condition()
            except Unavailable as error:  # the outbox: a full disk
                self._link.send(SenderCondition(0, [], error.message))
            await asyncio.sleep(BEAT_SECONDS)

    async def _tell_condition(self) -> None:
        halts = await self._outbox.do(lambda file: file.halts())
        halted = sorted(f"{app} {provider}" for app, provider in halts)
        active = len(await self._outbox.do(lambda file: file.messages()))
        self._link.send(SenderCondition(active, halted, self._director.failing))
        if keys := await asyncio.to_thread(self._erased.keys, time.monotonic()):
            await self._outbox.do(partial(PushOutboxFile.erase, keys=keys))

    async def _answer(self, ask: Ask) -> None:
        try:
            asked = self._answers[ask.question]
            found = await self._loop.run_in_executor(self._readers, asked, ask.parameters)
            self._link.send(AskAnswered(ask.number, msgspec.json.encode(found)))
        except EdgeError as error:
            self._link.send(declined(ask.number, error))
        except Exception as error:  # who asked must not wait for an answer that never comes
            log.exception(f"cannot answer {ask.question!r}; this is a bug, please report it")
            failed = Unavailable("messages_unavailable", f"{type(error).__name__} in the sending process: see the log")
            self._link.send(declined(ask.number, failed))

    async def _keep(self, record: PushRecord) -> None:
        await self._spool.keep(encode_push(record, time.time()), 1)

    def _load_head(self, app: AppId, head: Head) -> AppState:
        return self._revisions.load_revision(app, head.revision, head.digest)

    def _load(self, app: str, revision: int, digest: str) -> AppState:
        return self._revisions.load_revision(AppId(app), revision, Digest(digest))

    def _providers_of(self, app: AppId) -> Mapping[ProviderKind, PushProvider]:
        """For a thread. Raises Unavailable, `push_unavailable` also if there are credentials and none sends."""
        given = asyncio.run_coroutine_threadsafe(self._ask_credentials(app), self._loop).result()
        self._given[app] = given.of
        opened = open_providers(given.of, given.faults, app, self._setup.push)
        self._loop.call_soon_threadsafe(self._tell_faults, app, opened.faults)
        if opened.faults and not opened.of:
            raise Unavailable("push_unavailable", "; ".join(opened.faults.values()))
        return opened.of

    def _tell_faults(self, app: str, faults: Mapping[str, str]) -> None:
        """Each once, for as long as it lasts."""
        for provider, why in faults.items():
            if self._faults.get((app, provider)) != why:
                log.error("messages of %s by %s wait, those of other providers do not: %s", app, provider, why)
                title = f"Messages of {app} cannot be sent through {provider}"
                self._link.send(SenderTold("push_stopped", app, title, f"Those through it wait: {why}"))
        others = {key: why for key, why in self._faults.items() if key[0] != app}
        self._faults = others | {(app, provider): why for provider, why in faults.items()}

    async def _ask_credentials(self, app: str) -> GivenCredentials:
        try:
            given = await self._credentials.request(
                lambda number: self._link.send(WantCredentials(number, app)), CREDENTIALS_SECONDS
            )
        except TimeoutError as error:
            raise Unavailable("push_unavailable", f"the credentials of {app!r} did not come") from error
        if given.error:
            raise Unavailable("push_unavailable", given.error)
        return given

    async def _take_turn(self, app: str, message: str, outbox: str, turn: int) -> bool:
        try:
            given = await self._turns.request(
                lambda number: self._link.send(WantTurn(number, app, message, outbox, turn)), TURN_ANSWER_SECONDS
            )
        except TimeoutError as error:
            raise Unavailable("store_unusable", f"the mark of message {message} was not moved in time") from error
        if given.error:
            raise Unavailable("store_unusable", given.error)
        return given.taken

    async def _follow_credentials(self) -> None:
        """What was mended goes on: lanes are opened anew with other credentials, and halts end."""
        while True:
            await asyncio.sleep(CREDENTIALS_LOOK_SECONDS)
            for app, before in [*self._given.items()]:
                try:
                    given = await self._ask_credentials(app)
                except Unavailable:
                    continue
                held = {of: each for of, each in before.items() if of in given.faults}  # its lane needs no key any more
                if held | given.of != before:
                    await self._director.reopen(AppId(app))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)


async def serve(end: socket.socket) -> None:
    """Wait for the setup, then run with it."""
    link = await Link.over(end, ToSender)
    setup = await link.receive()
    if isinstance(setup, SenderSetup):  # None: the supervisor is already gone
        set_up_logging(setup.log)
        await SendingProcess(setup, link).run()
    os._exit(0)  # without waiting for threads: see above


if __name__ == "__main__":
    be_child(serve)

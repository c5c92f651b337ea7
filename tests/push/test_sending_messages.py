"""Messages from an app's state to a receiver: planned once, sent once, cancelled, capped, and after a kill in doubt at
most where it was."""

import asyncio
import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime

import msgspec
import pytest
from factories import APP, a_change
from node_world import a_truth
from push.sending import LOCAL
from push.verdicts import Scripted
from push.webhook_double import PushReceiver
from sending_world import NODE, SendingWorld
from telemetry_lines import no_sync, write_segment

from edge.assembly.pushing.sending_marks import move_mark
from edge.domain.changes.messages.message_commands import (
    CancelMessage,
    CreateMessage,
    NewMessageText,
    NewMessageWords,
    SetMessageCaps,
)
from edge.domain.errors import Unavailable
from edge.domain.facts import NO_FACTS
from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushVerdict
from edge.domain.statistics.device_key import device_key
from edge.domain.targeting.places import NO_PLACE
from edge.push.audience import open_audience
from edge.push.director import DirectorParts, PushDirector
from edge.push.erasing import ErasedFromOutbox
from edge.push.outbox_file import PushOutboxFile
from edge.push.outbox_schema import MessagePhase, SendState
from edge.push.providers.credentials import make_push_webhook
from edge.push.providers.posting import PostingRules
from edge.push.providers.webhook import PushWebhookProvider
from edge.push.registered import RegisteredDevices
from edge.push.sending_claims import SendingClaims
from edge.push.serial_outbox import SerialOutbox
from edge.store.revisions import Revisions
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.push_records import DeadPushToken, PushAssigned, PushLeaving, PushRegistration, encode_push
from edge.telemetry.spool.segment import SegmentWriter
from edge.telemetry.upkeep.erasures import note_erasure, settle_erasure

HELLO = CreateMessage(texts=(NewMessageText(title="Hello"),), when="now", expected=50)


def device_id(number):
    return f"{number:08x}-eefe-490a-9c60-8e965132ae51"


class PushWorld:
    """An app with registered devices, a receiver, and what sends."""

    def __init__(self, folder, receiver):
        self.truth, self.receiver = a_truth(folder), receiver
        self.database, self.outbox_path = folder / "counts.sqlite", folder / "push" / "outbox.sqlite"
        self.now, self.kept, self.told = time.time(), [], []
        self._folder, self._segments = folder, 0
        (folder / "spool").mkdir()
        self.credentials = make_push_webhook(receiver.url, allow_http=True, per_second=5_000)
        receiver.secret = self.credentials.secret
        receiver.seen.clock = lambda: self.now

    def register(self, count, prefix="t"):
        records = [PushRegistration(APP, device_id(n), "webhook", f"{prefix}!{n}") for n in range(count)]
        self.fold(*records)

    def fold(self, *records):
        self._segments += 1
        lines = [encode_push(each, self.now) for each in records]
        write_segment(self._folder / "spool", lines, worker=self._segments)
        fold(self._folder / "spool", self.database, now=self.now + 1)

    def change(self, command):
        self.truth.releases.commit(APP, a_change(command, at=self.now))
        return [*self.truth.releases.load(APP).messages][-1]

    def heads(self):
        return self.truth.releases.heads()

    @asynccontextmanager
    async def sender(self, *, heard=True):
        """A director at work; it is left as a kill leaves it, if the block raises."""
        thread = ThreadPoolExecutor(1)
        outbox = SerialOutbox(PushOutboxFile(self.outbox_path, self.now), thread)
        revisions, registered = Revisions(self.truth.store), RegisteredDevices(self.database)
        parts = DirectorParts(
            load=lambda app, head: revisions.load_revision(app, head.revision, head.digest),
            audience=lambda state, message: open_audience(
                self.truth.store, state, message, NO_PLACE, lambda app, device: NO_FACTS
            ),
            providers_of=self.providers,
            registered=registered,
            keep=self.keep,
            take_turn=self.take_turn,
            tell=lambda *told: self.told.append(told),
            now=lambda: self.now,
        )
        director = PushDirector(parts, outbox)
        if heard:
            director.hear(self.heads())
        try:
            yield director
        finally:
            for lane in director.lanes.values():
                await lane.close()
            for each in director.tasks:
                each.cancel()
            thread.shutdown()
            outbox.file.close()

    def providers(self, app):
        return {ProviderKind.WEBHOOK: PushWebhookProvider(self.credentials, PostingRules(LOCAL, ""), app)}

    async def take_turn(self, *turn):
        return move_mark(self.truth.store, *turn)

    async def keep(self, record):
        self.kept.append(record)

    async def send_all(self, director, message):
        """Returns the tally once nothing of the message is open."""
        await director.look()
        await director.planned()
        while True:
            found = await director.outbox.do(lambda file: tally_if_over(file, message))
            if found is not None:
                return found
            await asyncio.sleep(0.01)


def tally_if_over(file, message):
    held = file.message(APP, message)
    return file.tally(held.id) if held is not None and file.is_over(held.id) else None


@asynccontextmanager
async def a_world(folder, devices=10):
    receiver = PushReceiver()
    await receiver.start()
    try:
        world = PushWorld(folder, receiver)
        world.register(devices)
        yield world
    finally:
        await receiver.close()


async def test_every_registered_device_gets_it_once(tmp_path):
    async with a_world(tmp_path, 50) as world:
        message = world.change(HELLO)
        async with world.sender() as director:
            assert await world.send_all(director, message) == {("A", SendState.SENT): 50}
            await director.look()
            await director.planned()
            held = await director.outbox.do(lambda file: file.message(APP, message))
            assert held.phase is MessagePhase.DONE
        assert world.receiver.seen.taken == Counter({f"t!{n}": 1 for n in range(50)})
        assert world.receiver.seen.faults == []
        (assigned,) = [each for each in world.kept if isinstance(each, PushAssigned)]
        assert (assigned.message, assigned.arm, len(assigned.devices)) == (message, "A", 12 * 50)


async def test_two_texts_and_those_held_out(tmp_path):
    async with a_world(tmp_path, 200) as world:
        texts = (NewMessageText(title="One"), NewMessageText(title="Other"))
        message = world.change(CreateMessage(texts=texts, when="now", expected=160, hold_out=20_000))
        async with world.sender() as director:
            found = await world.send_all(director, message)
        arms = {each.arm: len(each.devices) // 12 for each in world.kept}
        assert sum(arms.values()) == 200 and 20 < arms["-"] < 60
        assert found == {("A", SendState.SENT): arms["A"], ("B", SendState.SENT): arms["B"]}
        titles = Counter(each["title"] for each in world.receiver.seen.received)
        assert titles == {"One": arms["A"], "Other": arms["B"]}


async def test_each_device_gets_it_in_its_language(tmp_path):
    async with a_world(tmp_path, 0) as world:
        locales = ["de-AT", "pt_BR", "pt-PT", "fr", ""]
        said = [PushRegistration(APP, device_id(n), "webhook", f"t!{n}", locale=of) for n, of in enumerate(locales)]
        world.fold(*said)
        words = {"de": NewMessageWords(title="Neu", body="Da"), "pt-BR": NewMessageWords(title="Novo")}
        message = world.change(
            CreateMessage(texts=(NewMessageText(title="New", body="Here", locales=words),), when="now", expected=5)
        )
        async with world.sender() as director:
            await world.send_all(director, message)
        found = {each["device_token"]: (each["title"], each["body"]) for each in world.receiver.seen.received}
        assert [found[f"t!{n}"] for n in range(5)] == [("Neu", "Da"), ("Novo", "Here"), *[("New", "Here")] * 3]


async def test_a_device_that_registered_at_a_region_gets_what_home_plans(tmp_path):
    async with a_world(tmp_path, 0) as world:
        (tmp_path / "line").mkdir()
        line = SendingWorld(tmp_path / "line")
        line.now = world.now
        said = PushRegistration(APP, device_id(7), "webhook", "t!7", locale="de")
        writer = SegmentWriter(line.region_dir, NODE, 0, now=world.now, sync=no_sync)
        writer.append([encode_push(said, world.now)])
        writer.seal()
        await line.finish()
        fold(line.home_dir, world.database, now=line.now)
        message = world.change(HELLO)
        async with world.sender() as director:
            assert await world.send_all(director, message) == {("A", SendState.SENT): 1}
        assert world.receiver.seen.taken == {"t!7": 1}


async def test_what_a_killed_process_was_trying_is_in_doubt_and_never_tried_again(tmp_path):
    async with a_world(tmp_path, 30) as world:
        message = world.change(HELLO)
        async with world.sender() as director:
            await world.send_all(director, message)
        with closing(sqlite3.connect(world.outbox_path)) as file:  # as a kill leaves it
            file.execute("UPDATE sends SET state = 2 WHERE key IN (SELECT key FROM sends LIMIT 3)")
            file.execute("UPDATE messages SET phase = 'sending', swept = 0")
            file.commit()
        async with world.sender() as director:
            found = await world.send_all(director, message)
        assert found == {("A", SendState.SENT): 27, ("A", SendState.UNKNOWN): 3}
        assert max(world.receiver.seen.taken.values()) == 1


async def test_a_cancelled_message_is_not_sent(tmp_path):
    async with a_world(tmp_path, 5) as world:
        message = world.change(CreateMessage(texts=HELLO.texts, when="best", expected=5))
        async with world.sender() as director:
            await director.look()
            await director.planned()
            world.change(CancelMessage(message=message))
            director.hear(world.heads())
            await director.look()
            held = await director.outbox.do(lambda file: file.message(APP, message))
            assert held.phase is MessagePhase.CANCELLED
            found = await director.outbox.do(lambda file: file.tally(held.id))
        assert found[("A", SendState.CANCELLED)] + found[("A", SendState.SENT)] == 5
        assert found[("A", SendState.CANCELLED)] >= 4


async def test_a_message_for_nobody_goes_to_nobody_who_registers_later(tmp_path):
    async with a_world(tmp_path, 0) as world:
        async with world.sender() as director:
            planned = world.change(CreateMessage(texts=HELLO.texts, when="now", expected=0))
            director.hear(world.heads())
            assert await world.send_all(director, planned) == {}
            world.register(3)
            director.hear(world.heads())
            assert await world.send_all(director, planned) == {}
        late = world.change(CreateMessage(texts=HELLO.texts, when="best", expected=0))
        async with world.sender() as director:
            await director.look()
            await director.planned()
            held = await director.outbox.do(lambda file: file.message(APP, late))
            assert (held.phase, held.why) == (MessagePhase.STOPPED, "plan_differs")
        assert not world.receiver.seen.taken


async def test_an_app_sends_so_many_in_a_day(tmp_path):
    async with a_world(tmp_path, 20) as world:
        world.change(HELLO)
        message = world.change(SetMessageCaps(per_day=12))
        async with world.sender() as director:
            found = await world.send_all(director, message)
        assert found == {("A", SendState.SENT): 12, ("A", SendState.CAPPED): 8}


async def test_a_device_gets_so_many_in_a_week(tmp_path):
    async with a_world(tmp_path, 8) as world:
        first = world.change(HELLO)
        async with world.sender() as director:
            await world.send_all(director, first)
            second = world.change(CreateMessage(texts=HELLO.texts, when="now", expected=0, cap="1/week"))
            director.hear(world.heads())
            assert await world.send_all(director, second) == {}
        assert sum(world.receiver.seen.taken.values()) == 8


async def test_a_dead_token_is_told_and_a_busy_receiver_asked_again(tmp_path):
    async with a_world(tmp_path, 4) as world:
        world.receiver.seen.script["t!0"] = Scripted(410)
        world.receiver.seen.script["t!1"] = Scripted(429)
        message = world.change(HELLO)
        async with world.sender() as director:
            await director.look()
            await director.planned()
            held = await director.outbox.do(lambda file: file.message(APP, message))
            while (found := await director.outbox.do(lambda file: file.tally(held.id)))[
                "A", SendState.LATER
            ] != 1 or found["A", SendState.SENT] != 2:
                await asyncio.sleep(0.01)
            assert found["A", SendState.DEAD] == 1
            del world.receiver.seen.script["t!1"]
            world.now += 3_600
            assert (await world.send_all(director, message))["A", SendState.SENT] == 3
        assert [each.provider for each in world.kept if isinstance(each, DeadPushToken)] == ["webhook"]


async def test_what_is_late_waits_for_the_end_of_quiet_hours_or_is_too_old_by_then(tmp_path):
    async with a_world(tmp_path, 0) as world:
        world.now = at("2027-03-27 20:59")  # 21:59 in Berlin, whose night has nine hours
        zones = ["Europe/Berlin", "America/New_York"]
        world.fold(*(PushRegistration(APP, device_id(n), "webhook", f"t!{n}", zone) for n, zone in enumerate(zones)))
        long, short = (
            world.change(CreateMessage(texts=HELLO.texts, when="now", expected=2, quiet="22:00-08:00", ttl_seconds=ttl))
            for ttl in (24 * 3_600, 3_600)
        )
        world.providers = lambda app: {}  # until credentials are set, in Berlin's night
        async with world.sender() as director:
            await director.look()
            await director.planned()
        del world.providers
        world.now += 600
        async with world.sender() as director:
            expired = {("A", SendState.SENT): 1, ("A", SendState.EXPIRED): 1}
            assert await world.send_all(director, short) == expired
            number = (await director.outbox.do(lambda file: file.message(APP, long))).id
            waiting = ({("A", SendState.SENT): 1, ("A", SendState.PLANNED): 1}, at("2027-03-28 06:00"))
            while await director.outbox.do(lambda f: (f.tally(number), f.next_due(number, "webhook"))) != waiting:
                await asyncio.sleep(0.01)
            assert world.receiver.seen.taken == {"t!1": 2}
        world.now = at("2027-03-28 06:00")
        async with world.sender() as director:
            assert await world.send_all(director, long) == {("A", SendState.SENT): 2}


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


async def test_a_device_that_left_is_gone_without_the_code_of_an_earlier_try(tmp_path):
    async with a_world(tmp_path, 1) as world:
        world.receiver.seen.script["t!0"] = Scripted(503)
        message = world.change(HELLO)
        async with world.sender() as director:
            await director.look()
            await director.planned()
            while not await director.outbox.do(
                lambda file: [state for state, *_ in file.codes(1)] == [SendState.LATER]
            ):
                await asyncio.sleep(0.01)
            world.now += 3_600
            world.fold(PushLeaving(APP, device_id(0)))
            assert await world.send_all(director, message) == {("A", SendState.GONE): 1}
            assert await director.outbox.do(lambda file: file.codes(1)) == []


async def test_refused_credentials_halt_and_are_told_once(tmp_path):
    async with a_world(tmp_path, 6) as world:
        world.receiver.secret = "whsec_b3RoZXI="
        message = world.change(HELLO)
        async with world.sender() as director:
            await director.look()
            await director.planned()
            while not world.told:
                await asyncio.sleep(0.01)
            held = await director.outbox.do(lambda file: file.message(APP, message))
            found = await director.outbox.do(lambda file: file.tally(held.id))
            assert found["A", SendState.SENT] == 0
            assert await director.outbox.do(lambda file: file.halts())
        assert [told[0] for told in world.told] == ["push_stopped"]


async def test_far_more_devices_than_the_preview_stated_get_nothing(tmp_path):
    async with a_world(tmp_path, 150) as world:
        message = world.change(msgspec.structs.replace(HELLO, expected=0))
        async with world.sender() as director:
            await director.look()
            await director.planned()
            held = await director.outbox.do(lambda file: file.message(APP, message))
        assert (held.phase, held.why) == (MessagePhase.STOPPED, "plan_differs")
        assert not world.receiver.seen.taken


async def test_a_process_that_has_heard_of_no_app_yet_cancels_nothing(tmp_path):
    async with a_world(tmp_path, 5) as world:
        message = world.change(CreateMessage(texts=HELLO.texts, when="best", expected=5))
        async with world.sender() as director:
            await director.look()
            await director.planned()
        async with world.sender(heard=False) as director:
            await director.look()
            held = await director.outbox.do(lambda file: file.message(APP, message))
            assert held.phase is MessagePhase.SENDING


@pytest.mark.parametrize("status", [400, 404, 403])
async def test_tokens_that_anyone_may_register_stop_nothing(tmp_path, status):
    """Forged ones that come first by their devices' ids, and more of them than others."""
    async with a_world(tmp_path, 0) as world:
        world.receiver.seen.script["junk"] = Scripted(status)
        first = set(sorted(range(150), key=lambda n: device_key(APP, device_id(n)))[:120])
        tokens = {n: f"{'junk' if n in first else 't'}!{n}" for n in range(150)}
        world.fold(*(PushRegistration(APP, device_id(n), "webhook", token) for n, token in tokens.items()))
        message = world.change(msgspec.structs.replace(HELLO, expected=150))
        async with world.sender() as director:
            found = await world.send_all(director, message)
            assert (await director.outbox.do(lambda file: file.message(APP, message))).why == ""
        assert found == {("A", SendState.FAILED): 120, ("A", SendState.SENT): 30}
        assert world.told == []


class Held:
    """A provider that answers each attempt with `came` once it is let go."""

    at_once, per_second = 1, 0.0

    def __init__(self, came):
        self.begun, self.let_go, self.asked = asyncio.Event(), asyncio.Event(), 0
        self._came = came

    async def send(self, target, payload, now):
        self.begun.set()
        self.asked += 1
        await self.let_go.wait()
        return self._came

    async def close(self):
        pass


async def test_answers_that_drip_keep_no_other_device_waiting(tmp_path):
    async with a_world(tmp_path, 60) as world:
        world.fold(*(PushRegistration(APP, device_id(n), "webhook", f"slow!{n}") for n in range(5)))
        world.receiver.seen.script["slow"] = Scripted(drips=b"HTTP/1.1 200 OK\r\nX-More: ")
        message = world.change(HELLO)
        async with world.sender() as director:
            await director.look()
            await director.planned()
            held = await director.outbox.do(lambda file: file.message(APP, message))
            while (found := await director.outbox.do(lambda file: file.tally(held.id)))["A", SendState.SENT] < 55:
                await asyncio.sleep(0.01)
            assert found["A", SendState.SENDING] + found["A", SendState.UNKNOWN] == 5


async def test_after_a_cancel_nothing_begins_that_is_not_on_the_wire(tmp_path):
    async with a_world(tmp_path, 200) as world:
        provider = Held(PushAttempt(PushVerdict.SENT, "sent"))
        provider.at_once = 4
        world.providers = lambda app: {ProviderKind.WEBHOOK: provider}
        message = world.change(msgspec.structs.replace(HELLO, expected=200))
        async with world.sender() as director:
            running = asyncio.create_task(director.run())
            while provider.asked < 4:
                await asyncio.sleep(0.01)
            world.change(CancelMessage(message=message))
            director.hear(world.heads())
            while (await director.outbox.do(lambda file: file.message(APP, message))).phase is MessagePhase.SENDING:
                await asyncio.sleep(0.01)
            provider.let_go.set()
            wanted = {("A", SendState.SENT): 4, ("A", SendState.CANCELLED): 196}
            while await director.outbox.do(lambda file: file.tally(1)) != wanted:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait({running})
        assert provider.asked == 4


async def test_an_attempt_that_fails_after_the_cancel_is_cancelled_too(tmp_path):
    async with a_world(tmp_path, 3) as world:
        provider = Held(PushAttempt(PushVerdict.LATER, "http_503"))
        world.providers = lambda app: {ProviderKind.WEBHOOK: provider}
        message = world.change(HELLO)
        async with world.sender() as director:
            await director.look()
            await director.planned()
            await provider.begun.wait()
            world.change(CancelMessage(message=message))
            director.hear(world.heads())
            await director.look()
            provider.let_go.set()
            held = await director.outbox.do(lambda file: file.message(APP, message))
            while (await director.outbox.do(lambda file: file.tally(held.id)))["A", SendState.CANCELLED] < 3:
                await director.look()
                await asyncio.sleep(0.01)


async def test_a_full_disk_loses_no_outcome_and_repeats_nothing(tmp_path):
    async with a_world(tmp_path, 3) as world:
        provider = Held(PushAttempt(PushVerdict.SENT, "sent"))
        world.providers = lambda app: {ProviderKind.WEBHOOK: provider}
        message = world.change(HELLO)
        async with world.sender() as director:
            await director.look()
            await director.planned()
            await provider.begun.wait()
            await director.outbox.do(lambda file: file._db.set_progress_handler(lambda: 1, 10))  # every change fails
            provider.let_go.set()
            with pytest.raises(Unavailable):
                await director.look()
            await director.outbox.do(lambda file: file._db.set_progress_handler(None, 10))
            assert await world.send_all(director, message) == {("A", SendState.SENT): 3}
        assert provider.asked == 3


async def test_two_providers_together_begin_no_more_than_the_day_has(tmp_path):
    async with a_world(tmp_path, 0) as world:
        kinds = ("webhook", "fcm")
        world.fold(*(PushRegistration(APP, device_id(n), kinds[n % 2], f"t!{n}") for n in range(40)))
        providers = {ProviderKind(each): Held(PushAttempt(PushVerdict.SENT, "sent")) for each in kinds}
        for each in providers.values():
            each.at_once = 7
            each.let_go.set()
        world.providers = lambda app: providers
        world.change(HELLO)
        message = world.change(SetMessageCaps(per_day=25))
        async with world.sender() as director:
            found = await world.send_all(director, message)
        assert found == {("A", SendState.SENT): 25, ("A", SendState.CAPPED): 15}
        assert sum(each.asked for each in providers.values()) == 25


async def test_what_waits_is_sent_by_the_next_process_once(tmp_path):
    async with a_world(tmp_path, 5) as world:
        message = world.change(CreateMessage(texts=HELLO.texts, when="best", expected=5, ttl_seconds=172_800))
        async with world.sender() as director:
            await director.look()
            await director.planned()
        world.now += 86_400
        async with world.sender() as director:
            assert await world.send_all(director, message) == {("A", SendState.SENT): 5}
        assert set(world.receiver.seen.taken.values()) == {1}


async def test_an_outbox_that_was_lost_sends_nothing_again(tmp_path):
    async with a_world(tmp_path, 5) as world:
        message = world.change(HELLO)
        async with world.sender() as director:
            await world.send_all(director, message)
        for file in world.outbox_path.parent.iterdir():
            file.unlink()
        other = world.change(HELLO)  # made since, and begun by nobody
        async with world.sender() as director:
            assert await world.send_all(director, other) == {("A", SendState.SENT): 5}
            held = await director.outbox.do(lambda file: file.message(APP, message))
            assert (held.phase, held.why) == (MessagePhase.STOPPED, "sent_elsewhere")
        assert set(world.receiver.seen.taken.values()) == {2}
        assert [kind for kind, *_ in world.told] == ["push_stopped"]


async def test_an_older_copy_of_the_outbox_sends_nothing_again(tmp_path):
    async with a_world(tmp_path, 5) as world:
        message = world.change(CreateMessage(texts=HELLO.texts, when="best", expected=5, ttl_seconds=172_800))
        async with world.sender() as director:
            await director.look()
            await director.planned()
        older = world.outbox_path.read_bytes()
        world.now += 86_400
        async with world.sender() as director:
            assert await world.send_all(director, message) == {("A", SendState.SENT): 5}
        world.outbox_path.write_bytes(older)
        async with world.sender() as director:
            while (await director.outbox.do(lambda file: file.tally(1))) != {("A", SendState.UNKNOWN): 5}:
                await director.look()
            assert (await director.outbox.do(lambda file: file.message(APP, message))).why == "sent_elsewhere"
        assert world.receiver.seen.taken == Counter({f"t!{n}": 1 for n in range(5)})


async def test_an_app_that_has_no_way_to_send_is_told_while_it_lasts(tmp_path):
    async with a_world(tmp_path, 5) as world:
        opened, asked = world.providers, []

        def closed(app):
            asked.append(app)
            raise Unavailable("push_unavailable", "sealed with another key")

        world.change(CreateMessage(texts=HELLO.texts, when="best", expected=5, ttl_seconds=172_800))
        world.providers = closed
        async with world.sender() as director:
            await director.look()
            await director.planned()
            running = asyncio.create_task(director.run())
            while len(asked) < 4:  # each of them in a look of its own, but for the plan's
                director.hear(world.heads())
                await asyncio.sleep(0.001)
            assert director.failing == f"{APP}: sealed with another key"
            running.cancel()
        world.providers = opened
        async with world.sender() as director:
            while not director.lanes:
                await director.look()
            assert director.failing == ""


async def test_nothing_is_sent_while_nobody_knows_who_sends_it(tmp_path):
    async with a_world(tmp_path, 5) as world:

        async def unreachable(*turn):
            world.asked.set()
            raise Unavailable("store_unusable", "the bucket does not answer")

        world.take_turn, reached, world.asked = unreachable, world.take_turn, asyncio.Event()
        message = world.change(CreateMessage(texts=HELLO.texts, when="best", expected=5, ttl_seconds=172_800))
        async with world.sender() as director:
            await director.look()
            await director.planned()
            assert "does not answer" in director.failing and director.lanes == {}
        world.take_turn = reached
        async with world.sender() as director:
            await director.look()
            await director.planned()
        world.now, world.take_turn = world.now + 86_400, unreachable
        world.asked.clear()
        async with world.sender() as director:
            await director.look()
            await world.asked.wait()
            await director.look()
            assert director.lanes == {} and not world.receiver.seen.taken
        world.take_turn = reached
        async with world.sender() as director:
            assert await world.send_all(director, message) == {("A", SendState.SENT): 5}


async def test_a_message_on_its_way_takes_a_turn_each_minute(tmp_path):
    async with a_world(tmp_path, 0) as world:
        clock, turns, began = [0.0], [], asyncio.Event()

        async def take(app, message, outbox, turn):
            turns.append(turn)
            return turn < 3

        async def begin():
            began.set()

        async def stop(held, why):
            turns.append(why)

        async with world.sender() as director:
            claims = SendingClaims(director.outbox, take, lambda: clock[0])
            held = await director.outbox.do(lambda file: file.begin(APP, "m-1", world.now))
            await director.outbox.do(lambda file: file.end(held.id, MessagePhase.SENDING))
            for at in (0.0, 1.0, 59.0, 60.0, 61.0, 120.0):
                clock[0] = at
                await claims.take_due(stop, begin)
        assert turns == [1, 2, 3, "sent_elsewhere"] and began.is_set() and not claims.has(held)


async def test_a_page_of_a_plan_brings_no_erased_device_back(tmp_path):
    """Read before the erasure, and written after the outbox was told first."""
    async with a_world(tmp_path, 3) as world:
        message = world.change(CreateMessage(texts=HELLO.texts, when="best", expected=3))
        erased = ErasedFromOutbox(tmp_path / "erasures")
        noted = note_erasure(tmp_path / "erasures", APP, device_id(1), world.now)
        async with world.sender() as director:
            await director.outbox.do(lambda file: file.erase(erased.keys(0.0)))
            await director.look()
            await director.planned()
            settle_erasure(tmp_path / "erasures", noted)
            await director.outbox.do(lambda file: file.erase(erased.keys(5.0)))
            held = await director.outbox.do(lambda file: file.message(APP, message))
            assert sum((await director.outbox.do(lambda file: file.tally(held.id))).values()) == 2
        assert erased.keys(99.0) == []


async def test_a_halt_is_remembered_and_ends_with_a_message_that_is_taken(tmp_path):
    async with a_world(tmp_path, 4) as world:
        right, world.receiver.secret = world.receiver.secret, "whsec_b3RoZXI="
        message = world.change(HELLO)
        async with world.sender() as director:
            await director.look()
            await director.planned()
            while not world.told:
                await asyncio.sleep(0.01)
            held = await director.outbox.do(lambda file: file.message(APP, message))
            while (await director.outbox.do(lambda file: file.tally(held.id)))["A", SendState.SENDING]:
                await asyncio.sleep(0.01)
        world.receiver.secret = right  # mended at the provider's, and the node starts again
        world.now += 1_000
        async with world.sender() as director:
            assert (await world.send_all(director, message))["A", SendState.SENT] == 4
            assert await director.outbox.do(lambda file: file.halts()) == {}

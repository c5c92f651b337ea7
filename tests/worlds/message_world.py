"""What people ask about messages, answered as the process that sends them does, from files of a folder."""

from contextlib import closing, contextmanager

from edge.domain.facts import NO_FACTS
from edge.domain.targeting.places import NO_PLACE
from edge.push.audience import open_audience
from edge.push.outbox_file import PushOutboxFile
from edge.push.questions import MessageAsked, MessageQuestions
from edge.push.registered import RegisteredDevices
from edge.store.revisions import Revisions


class MessagesWorld:
    """Of the node whose store this is. `counts.sqlite` and the outbox are beside it."""

    def __init__(self, store, now) -> None:
        self._store, self._now, self._folder = store, now, store.root.parent

    async def preview(self, asked):
        with self._questions() as questions:
            return questions.preview(asked)

    async def listing(self, app):
        with self._questions() as questions:
            return questions.listing(MessageAsked(app))

    async def figures(self, app, message):
        with self._questions() as questions:
            return questions.figures(MessageAsked(app, message))

    @contextmanager
    def _questions(self):
        database, revisions = self._folder / "counts.sqlite", Revisions(self._store)
        outbox = PushOutboxFile(self._folder / "push" / "outbox.sqlite", self._now())
        with closing(outbox):
            yield MessageQuestions(
                *(RegisteredDevices(database), database, outbox, revisions.load_revision),
                lambda state, message: open_audience(
                    self._store, state, message, NO_PLACE, lambda app, device: NO_FACTS
                ),
                self._now,
            )

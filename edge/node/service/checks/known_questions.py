"""The questions that a worker has understood, by their words: templates with what they mean. Nothing in it grows old.

Anyone can ask anything, in any number of words. So a template is understood only when it is asked again soon after;
one that cannot be understood is tried once. Of a full memory the half goes that was asked least, and of those asked
alike the newer. To take the place of a template that a fleet uses, a stranger must ask each of thousands of his own
more often than the fleet asks its one.
"""

from collections.abc import Container

from edge.domain.model import AppId, UpdateCheck
from edge.node.service.checks.member_order import form_of_members, has_any_order, sorted_template
from edge.node.service.checks.template import meaning_of

# A fleet's templates are its apps times their releases, plugins, systems and platforms in use. A worker needs 1 to 2 KB
# for each.
QUESTIONS_LIMIT = 16_384
SEEN_LIMIT = 65_536  # templates that were asked once, by their hashes; the next one empties the list
ODD_LIMIT = 16_384  # templates that cannot be understood, by their hashes, some 1 MB; the next one empties the list
PERIOD_SECONDS = 10.0  # a full memory makes room at most so often: it takes some milliseconds

# The template, or the form of its members if they may have any order; the base address of downloads; the country.
QuestionKey = tuple[bytes, str, str]


class Question:
    """What a template means, and how often it was asked lately."""

    __slots__ = ("asked", "check")

    def __init__(self, check: UpdateCheck) -> None:
        self.check = check  # its ids are nobody's
        self.asked = 1


class QuestionMemory:
    """`get` finds a question that is understood, or returns None. `is_odd`: it is known that none ever will be."""

    def __init__(self, limit: int = QUESTIONS_LIMIT) -> None:
        self._limit = limit
        self._held: dict[QuestionKey, Question] = {}
        self._seen: set[int] = set()
        self._odd: set[int] = set()
        self._made_room = 0.0
        self.get = self._held.get

    def __len__(self) -> int:
        return len(self._held)

    def is_odd(self, key: QuestionKey) -> bool:
        return hash(key) in self._odd

    def note(self, key: QuestionKey, apps: Container[AppId], now: float) -> None:
        """A body of this template, which is not held in this order or in any, was answered. `now` in seconds, of any
        clock that runs on."""
        if self.is_odd(key):
            return
        template, base, country = key
        form = form_of_members(template)
        if form is not None and self.is_odd((form, base, country)):
            return
        seen = hash(form or template) ^ hash((base, country))
        if seen not in self._seen:
            if len(self._seen) >= SEEN_LIMIT:
                self._seen.clear()
            self._seen.add(seen)
            return
        if len(self._held) >= self._limit and not self._make_room(now):
            return
        as_written = key
        if form is not None and has_any_order(form):
            key, template = (form, base, country), sorted_template(form)
        if (check := meaning_of(template, country, apps)) is not None:
            self._held[key] = Question(check)
            self._seen.discard(seen)
        else:
            self._note_odd(as_written, key)

    def _note_odd(self, *keys: QuestionKey) -> None:
        if len(self._odd) + len(keys) > ODD_LIMIT:
            self._odd.clear()
        self._odd.update(map(hash, keys))

    def _make_room(self, now: float) -> bool:
        """Forget the half that was asked least since the last time, or nothing if that was too short ago."""
        if abs(now - self._made_room) < PERIOD_SECONDS:
            return False
        self._made_room = now
        newest_first = list(reversed(self._held.items()))
        newest_first.sort(key=lambda item: item[1].asked)  # which leaves those asked alike in this order
        for key, _ in newest_first[: (len(newest_first) + 1) // 2]:
            del self._held[key]
        for question in self._held.values():
            question.asked //= 2
        return True

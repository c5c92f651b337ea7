"""One watch as the folding process counts it: its votes so far by test, label and age, in memory.

It is made from the rows of the database, and kept as long as nobody else has changed these (`stamp`). What a row counts
for is decided here, so that reading them again gives the same counts.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edge.domain.guarding.epochs import Epoch, epoch_of, epochs_through, open_epochs
from edge.domain.guarding.plan import FIGURES, GuardTest, figures_of, tests_of
from edge.domain.guarding.silence import SILENCE_AGES_MS, InstallsSettled
from edge.domain.guarding.tally import StepWithout, VoteTally
from edge.domain.guarding.watch import Watch
from edge.telemetry.votes.arm_counts import ArmsOfTest
from edge.telemetry.votes.control_starts import ControlStarts, settled_of
from edge.telemetry.votes.counted_votes import HERE, UNHEARD, NodeCounts, VotesOfTest
from edge.telemetry.votes.pending_reports import PendingOfNodes
from edge.telemetry.votes.vote import (
    COUNTED,
    ENTERED,
    FAILED,
    IN_EPOCH,
    KNOWN,
    LOST,
    MASK,
    OFFERED,
    SET,
    Vote,
    has_failed,
    is_attempt,
    is_waited_for,
    scope_of,
)

VOTES_LIMIT = (
    2_000_000  # of a watch: some 50 bytes of disk each, 100 MB; devices beyond it are not counted, and it says so
)
VOTES_OF_ONE = VOTES_LIMIT // 2  # that another node brought: no node's made-up devices take the places of all others
NODES_LIMIT = 64  # other nodes of a watch that are told apart; further ones are one together
FURTHER = "further nodes"
EPOCHS_KEPT = 2_000  # more than a year: a clock that is years ahead must not make more
UNSTORED = -1  # the stamp of a book that is not, or not yet, what the rows say
_MINUTE_MS = 60_000


class KeptPlan(msgspec.Struct, frozen=True):
    """What the masks, epochs and nodes of a watch's rows mean; nodes have numbers from 1."""

    tests: tuple[GuardTest, ...]
    epochs: tuple[Epoch, ...]
    nodes: tuple[str, ...] = ()


class Cell(NamedTuple):
    """Counted votes of the figures with these labels: numbers of a cohort, and of the cause (0: none failed)."""

    cohort: int
    cause: int


class WatchBook:
    """`id` is its row; `stamp` the one of the rows that this was made from. `plan` are the watch's tests, and behind
    them a count of `update_fail` where all are against the control; `figures` is the index of what the watch's figures
    are of."""

    def __init__(
        self, id: int, watch: Watch, began_ms: int, epochs: tuple[Epoch, ...] = (), nodes: tuple[str, ...] = ()
    ) -> None:
        self.id, self.stamp = id, UNSTORED
        self.watch = msgspec.structs.replace(watch, since_ms=began_ms)
        self.plan = _plan_of(watch)
        self.figures = figures_of(self.plan) or 0
        self.epochs, self.nodes = epochs, nodes
        self.votes = [VotesOfTest() for _ in self.plan]
        self.arms = [ArmsOfTest() for _ in self.plan]
        self.control = ControlStarts()
        self.pending = PendingOfNodes()
        self.cells = Counter[Cell]()
        self.rows = self.offered = self.attempts = self.failed = self.capped = self.capped_failed = self.lost = 0
        self.first_offer_ms = self.first_failure_ms = self.last_failure_ms = 0
        self.is_full = False
        self.rows_of = Counter[int]()  # by node
        self._waiting = Counter[
            tuple[int, int]
        ]()  # by node and epoch: devices that have not told what became of an offer
        self._installed: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * (1 + len(SILENCE_AGES_MS)))

    @property
    def kept_plan(self) -> KeptPlan:
        return KeptPlan(self.plan, self.epochs, self.nodes)

    @property
    def known_scope(self) -> int:
        """The tests of devices known for a day, as a mask."""
        return sum(1 << index for index, test in enumerate(self.plan) if test.known)

    def is_of(self, watch: Watch) -> bool:
        """Whether the watch still has the plan by which its votes were counted."""
        return self.plan == _plan_of(watch)

    def number_of(self, node: str) -> int:
        """Of another node, by its name; "" is this one."""
        if not node:
            return HERE
        if node not in self.nodes:
            if len(self.nodes) >= NODES_LIMIT:
                node = FURTHER
            if node not in self.nodes:
                self.nodes += (node,)
        return self.nodes.index(node) + 1

    def add_row(self, node: int, n: int = 1) -> None:
        """A device more, or less, of which something is kept."""
        self.rows += n
        self.rows_of[node] += n

    def move(self, vote: Vote, node: int) -> None:
        """Another node than the one that offered it hears what became of it."""
        if vote.node == node:
            return
        self.rows_of[vote.node] -= 1
        self.rows_of[node] += 1
        for index, test in enumerate(self.plan):
            if test.known and vote.tests >> ENTERED + index & 1 and not vote.tests >> COUNTED + index & 1:
                self.votes[index].move_unheard(self.epoch_at(vote.offered_ms), vote.node, node)
        vote.node = node

    def note_told(self, vote: Vote, bits: int = 0, node: int = HERE) -> None:
        """What is known of it has changed: it had these bits, and was of this node."""
        if is_waited_for(bits):
            self._waiting[node, self.epoch_at(vote.offered_ms)] -= 1
        if is_waited_for(vote.bits):
            self._waiting[vote.node, self.epoch_at(vote.offered_ms)] += 1

    def go_on(self, now_ms: int) -> None:
        """Begin the epochs until now; those of a clock that was wrong are no epochs."""
        known = tuple(each for each in self.epochs if each.began_ms <= now_ms)
        self.epochs = epochs_through(known, self.watch, now_ms)[:EPOCHS_KEPT]

    def take(self, vote: Vote) -> None:
        """A row as it is in the database."""
        if self._begin(vote):
            return
        if vote.bits & OFFERED:
            self._note_offer(vote)
        offered_epoch = self.epoch_at(vote.offered_ms)
        for index, test in enumerate(self.plan):
            if not vote.tests >> ENTERED + index & 1:
                continue
            counted, epoch = vote.tests >> COUNTED + index & 1, offered_epoch if test.known else vote.epoch
            in_epoch = bool(vote.tests >> IN_EPOCH + index & 1)
            if test.known:
                self.votes[index].enter(UNHEARD, epoch, in_epoch=True, node=vote.node)
                if counted:
                    self.votes[index].place(vote.net, epoch, in_epoch=in_epoch, node=vote.node)
            elif counted:
                self.votes[index].enter(vote.net, epoch, in_epoch=in_epoch, node=vote.node)
            failed = vote.tests >> FAILED + index & 1
            if failed and counted:
                self.votes[index].fail(vote.net, epoch, in_epoch=in_epoch, node=vote.node)
            if index == self.figures:
                self._note_figures(vote, 1, int(failed), is_counted=bool(counted))
        self._note_install(vote)

    def settle(self, vote: Vote) -> None:
        """What follows from a vote that has changed."""
        if not vote.bits & OFFERED:
            return
        scope = vote.tests & MASK
        for index, test in enumerate(self.plan):
            if scope >> index & 1:
                self._settle_in(index, test, vote)

    def _settle_in(self, index: int, test: GuardTest, vote: Vote) -> None:
        votes, has_reported = self.votes[index], bool(vote.set_ms or vote.failed_ms)
        entered, counted = vote.tests >> ENTERED + index & 1, bool(vote.tests >> COUNTED + index & 1)
        in_epoch = bool(vote.tests >> IN_EPOCH + index & 1)
        epoch = self.epoch_at(vote.offered_ms) if test.known else vote.epoch
        if not entered and is_attempt(test, vote.bits):
            entered = 1
            vote.tests |= 1 << ENTERED + index
            if test.known:
                votes.enter(UNHEARD, epoch, in_epoch=True, node=vote.node)
            else:
                counted, in_epoch = votes.has_room(vote.net, epoch, vote.node)
                if counted:
                    votes.enter(vote.net, epoch, in_epoch=in_epoch, node=vote.node)
            if index == self.figures and not test.known:
                self._note_figures(vote, 1, 0, is_counted=counted)
        if test.known and entered and not counted and has_reported:
            counted, in_epoch = votes.has_room(vote.net, epoch, vote.node)
            if counted:
                votes.place(vote.net, epoch, in_epoch=in_epoch, node=vote.node)
        vote.tests |= counted << COUNTED + index | in_epoch << IN_EPOCH + index
        if entered and not vote.tests >> FAILED + index & 1 and has_failed(test, vote.bits):
            vote.tests |= 1 << FAILED + index
            if counted:
                votes.fail(vote.net, epoch, in_epoch=in_epoch, node=vote.node)
            if index == self.figures:
                self._note_figures(vote, 0, 1, is_counted=counted)

    def scope(self, segments: tuple[str, ...], bits: int) -> int:
        """The tests whose scope a device in these segments is in, as the mask of a vote."""
        return scope_of(self.plan, segments, is_known=bool(bits & KNOWN))

    def enter_again(self, vote: Vote) -> None:
        """A row as it would have come into an empty book, by the present plan."""
        if not self._begin(vote) and vote.bits & OFFERED:
            self._note_offer(vote)
            self.settle(vote)
            self._note_install(vote)

    def _begin(self, vote: Vote) -> bool:
        """A row as it is. Returns whether it waits for the note of an offer."""
        while len(self.nodes) < vote.node:  # what the numbers mean is lost
            self.nodes += ("",)
        self.add_row(vote.node)
        self.note_told(vote)
        if vote.is_pending:
            self.pending.of(vote.node).add(vote.key, max(vote.set_ms, vote.failed_ms), vote.net)
        return vote.is_pending

    def note_offer(self, vote: Vote) -> None:
        """The device is offered the bundle for the first time in the watch."""
        self.pending.drop(vote.key)
        self._note_offer(vote)

    def note_set(self, vote: Vote) -> None:
        """The device has installed it, and whether it has spoken since is known from now on."""
        self._note_install(vote)

    def note_spoken(self, vote: Vote) -> None:
        """The device has spoken for the first time since its `set`."""
        self._note_spoken(vote, 1)

    def epoch_at(self, at_ms: int) -> int:
        return epoch_of(self.epochs, at_ms).number

    def tally(self, now_ms: int) -> VoteTally:
        """Without the silence of others: see `silence`."""
        numbers = [each.number for each in open_epochs(self.epochs)]
        tests = tuple(
            (self.arms if test.versus_control else self.votes)[index].tally(numbers)
            for index, test in enumerate(tests_of(self.watch.policy, self.watch.rollout is not None))
        )
        of_step = self._of_step()
        return VoteTally(
            tests,
            latest_epoch=self.epochs[-1].number,
            offered=self.offered,
            attempts=self.attempts,
            failed=self.failed,
            capped=self.capped,
            capped_failed=self.capped_failed,
            step_attempts=sum(each.attempts for each in of_step.values()),
            step_failed=sum(each.failed for each in of_step.values()),
            nodes=self.nodes,
            step_without=tuple(self._step_without(node, of_step) for node in self.votes[self.figures].whole.others),
        )

    def settled(self, now_ms: int) -> list[InstallsSettled]:
        """At each of SILENCE_AGES_MS."""
        return settled_of(self.settled_by_node(now_ms))

    def settled_by_node(self, now_ms: int) -> dict[int, list[InstallsSettled]]:
        found: defaultdict[int, list[list[int]]] = defaultdict(lambda: [[0, 0] for _ in SILENCE_AGES_MS])
        for (node, minute), of_minute in self._installed.items():
            for index, age_ms in enumerate(SILENCE_AGES_MS):
                if (minute + 1) * _MINUTE_MS + age_ms <= now_ms:
                    found[node][index][0] += of_minute[0]
                    found[node][index][1] += of_minute[0] - of_minute[1 + index]
        return {node: [InstallsSettled(*each) for each in counts] for node, counts in found.items()}

    def _of_step(self) -> dict[int, NodeCounts]:
        """The counts of the figures in the epochs of the present step; empty ones where there are none."""
        epochs, step = self.votes[self.figures].epochs, self.epochs[-1].step
        return {each.number: epochs.get(each.number) or NodeCounts() for each in self.epochs if each.step == step}

    def _step_without(self, node: int, of_step: Mapping[int, NodeCounts]) -> StepWithout:
        waiting = sum(n for (of, epoch), n in self._waiting.items() if of != node and epoch in of_step)
        attempts, failed = self.votes[self.figures].whole.sums(node)
        return StepWithout(node, attempts, failed, sum(each.sums(node)[0] for each in of_step.values()), waiting)

    def _note_offer(self, vote: Vote) -> None:
        self.offered += 1
        self.lost += bool(vote.bits & LOST)
        self.first_offer_ms = min(self.first_offer_ms or vote.offered_ms, vote.offered_ms)

    def _note_figures(self, vote: Vote, attempts: int, failed: int, *, is_counted: bool) -> None:
        """Of the test of the figures, which is that of all devices."""
        self.attempts += attempts
        self.failed += failed
        if failed:
            self.first_failure_ms = min(self.first_failure_ms or vote.failed_ms, vote.failed_ms)
            self.last_failure_ms = max(self.last_failure_ms, vote.failed_ms)
        if not is_counted:
            self.capped += attempts
            self.capped_failed += failed
            return
        self.cells[Cell(vote.cohort, 0)] += attempts
        if failed:
            self.cells[Cell(vote.cohort, 0)] -= 1
            self.cells[Cell(vote.cohort, vote.cause or UNHEARD)] += 1

    def _is_install(self, vote: Vote) -> bool:
        """Of a device whose vote is counted: one host with many ids makes no release silent."""
        return bool(vote.bits & SET and vote.bits & OFFERED and vote.tests >> COUNTED + self.figures & 1)

    def _note_install(self, vote: Vote) -> None:
        if self._is_install(vote):
            self._installed[vote.node, vote.set_ms // _MINUTE_MS][0] += 1
            self._note_spoken(vote, 1)

    def _note_spoken(self, vote: Vote, n: int) -> None:
        if not vote.spoke_ms or not self._is_install(vote):
            return
        of_minute = self._installed[vote.node, vote.set_ms // _MINUTE_MS]
        for index, age_ms in enumerate(SILENCE_AGES_MS):
            of_minute[1 + index] += n * (vote.spoke_ms - vote.set_ms <= age_ms)


def _plan_of(watch: Watch) -> tuple[GuardTest, ...]:
    plan = tests_of(watch.policy, watch.rollout is not None)
    return plan if figures_of(plan) is not None else (*plan, FIGURES)

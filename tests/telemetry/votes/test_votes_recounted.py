"""The votes are those of a naive recount of everything that came, in any order of batches, and with kills anywhere."""

import os
import random
import signal
import sys
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voting_world import NEW, OLD, VotingWorld, a_cohort, a_watch

from edge.domain.guarding.networks import cap_of

DEVICES = 40
ACTIONS = ("set", "update_fail", "set_fail", "unzip_fail", "app_moved_to_background")
SIDES = ("r/new", "r/new", "r/new", "r/rest")


def a_fleet(dice):
    """What happens to devices, in the order of time: (second, device, what)."""
    happened = []
    for number in range(DEVICES):
        side, at = dice.choice(SIDES), dice.uniform(0, 200)
        if dice.random() < 0.9:
            happened.append((at, number, "check", side))
        for _ in range(dice.randrange(4)):
            # A report may be handed over before the note of the check that it follows.
            at_report = max(0.0, at + dice.uniform(-10, 60))
            happened.append((at_report, number, dice.choice(ACTIONS), dice.choice((NEW, NEW, OLD))))
    return sorted(happened)


def naive(happened, net_of):
    """Attempts and failures by what is written about a vote, counted from scratch."""
    offered = {n for _, n, what, side in happened if what == "check" and side == "r/new"}
    told = defaultdict(dict)
    for at, n, what, version in happened:
        if what != "check" and version == NEW:
            told[n].setdefault(what, at)
    fails = {"update_fail", "set_fail"}
    attempts = {n: min(at for what, at in of.items() if what in fails | {"set"}) for n, of in told.items()
                if n in offered and of.keys() & (fails | {"set"})}  # fmt: skip
    failed = {n for n in attempts if told[n].keys() & fails}
    assert max(Counter(net_of(n) for n in attempts).values(), default=0) <= cap_of(1), "no cap in this world"
    return len(offered), len(attempts), len(failed)


def lines_of(world, happened):
    for at, number, what, more in happened:
        if what == "check":
            yield world.check(number, at, cohort=a_cohort(more))
        else:
            yield world.report(number, what, at, version=more)


def counted(world):
    tally = world.tally(after=300)
    return tally.offered, tally.attempts, tally.failed


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), batches=st.integers(1, 5), restarts=st.booleans())
def test_batches_and_restarts_change_nothing(tmp_path_factory, seed, batches, restarts):
    dice = random.Random(seed)
    world = VotingWorld(tmp_path_factory.mktemp("votes"), a_watch())
    happened = a_fleet(dice)
    world.fold(world.check(999, offered=""), after=300)
    parts = [happened[n * len(happened) // batches : (n + 1) * len(happened) // batches] for n in range(batches)]
    for part in parts:
        if restarts:
            world.begin_again()
        lines = list(lines_of(world, part))
        world.fold(*lines, after=300)
    assert counted(world) == naive(happened, lambda n: 1_000 + n)
    before = world.tally(after=300)
    world.begin_again()
    world.fold(world.check(998, 290, offered=""), after=300)
    assert world.tally(after=300) == before


def killed_at(step, work):
    """Run `work` in a child that is killed at the `step`-th line of the code that counts; whether it got so far."""
    child = os.fork()
    if child == 0:
        left = [step]

        def trace(frame, event, _):
            if not frame.f_globals.get("__name__", "").startswith("edge.telemetry."):
                return None
            if event == "line":
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.long
def test_killed_at_any_line_each_vote_counts_once(tmp_path):
    world = VotingWorld(tmp_path, a_watch())
    world.fold(world.check(999, offered=""), after=300)
    step, kills, happened = 1, 0, []
    while True:
        part = [(1.0, kills, "check", "r/new"), (2.0, kills, "set", NEW), (3.0, kills, "update_fail", NEW)]
        happened += part
        world.write(*lines_of(world, part))
        world.begin_again()
        if not killed_at(step, lambda: world.fold(after=300)):
            break
        kills += 1
        step += 1 + step // 4
    world.begin_again()
    world.fold(world.check(998, offered=""), after=300)
    assert kills > 20
    assert counted(world) == naive(happened, lambda n: 1_000 + n)

"""What a worker remembers of the devices it has noted: each once, and none that was lost."""

import asyncio
from collections import Counter

import pytest
from factories import a_check

from edge.domain.errors import Unavailable
from edge.domain.model import Experiment
from edge.node.service.experiment_log import ArmNotes
from edge.node.service.own_events import OwnEvents

COLOURS = Experiment(name="colours", arms=(), salt="change-1")
AGAIN = Experiment(name="colours", arms=(), salt="change-2")
DEVICE, OTHER = "00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000"


class Spool:
    """Takes records, each answered as `fates` say: kept, lost later, or refused at once."""

    def __init__(self, *fates):
        self.fates = list(fates)
        self.taken = 0

    def put(self, records):
        fate = self.fates.pop(0) if self.fates else "kept"
        if fate == "refused":
            raise Unavailable("spool_full", "no room")
        self.taken += len(records)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None) if fate == "kept" else done.set_exception(OSError("disk"))
        return done


class Limits:
    def __init__(self, *answers):
        self.answers = list(answers)

    def admit(self, app, records, now):
        return self.answers.pop(0) if self.answers else True


async def noted(spool, limits, *checks):
    counts = Counter()
    notes = ArmNotes(OwnEvents("arms", spool, limits, counts))
    for device, experiment in checks:
        notes.note(a_check(device=device), "production", experiment, "control", "1.0.1", 1.0)
        await asyncio.sleep(0)
    return spool.taken, counts


@pytest.mark.parametrize(
    ("checks", "taken"),
    [
        ([(DEVICE, COLOURS)] * 3, 1),
        ([(DEVICE, COLOURS), (OTHER, COLOURS), (DEVICE, COLOURS)], 2),
        ([(DEVICE, COLOURS), (DEVICE, AGAIN), (DEVICE, COLOURS)], 2),
    ],
)
async def test_a_device_is_noted_once_for_each_experiment(checks, taken):
    assert await noted(Spool(), Limits(), *checks) == (taken, Counter(arms_noted=taken))


async def test_what_was_not_kept_is_noted_at_the_next_check():
    once_more = [(DEVICE, COLOURS)] * 3
    assert await noted(Spool("refused"), Limits(), *once_more) == (1, Counter(arms_not_noted=1, arms_noted=1))
    assert await noted(Spool("lost"), Limits(), *once_more) == (2, Counter(arms_not_noted=1, arms_noted=1))
    assert await noted(Spool(), Limits(False), *once_more) == (1, Counter(arms_over_limit=1, arms_noted=1))

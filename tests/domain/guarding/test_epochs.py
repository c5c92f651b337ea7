"""When a count begins again."""

from edge.domain.guard_policy import GuardPolicy
from edge.domain.guarding.epochs import EPOCH_MS, Epoch, epoch_of, epochs_through, open_epochs
from edge.domain.guarding.watch import Watch
from edge.domain.model import Phase, Rollout, VersionName

START = 1_800_000_000.25
START_MS = 1_800_000_000_250
HOUR_MS = 3_600_000


def watch(rollout: Rollout | None) -> Watch:
    return Watch(
        id="one", channel="production", bundle="1.2.0", rollout=rollout, since_ms=START_MS, acts=True,
        policy=GuardPolicy(),
    )  # fmt: skip


def rollout(**more) -> Rollout:
    fields = {"steps": (1_000, 5_000, 25_000), "began": START, "started": START, **more}
    return Rollout(bundle=VersionName("1.2.0"), salt="s", **fields)


def begins(epochs: tuple[Epoch, ...]) -> list[tuple[int, int, int]]:
    return [(round((each.began_ms - START_MS) / HOUR_MS), each.step, each.share) for each in epochs]


def test_an_epoch_begins_every_six_hours():
    epochs = epochs_through((), watch(None), START_MS + 13 * HOUR_MS)
    assert begins(epochs) == [(0, 0, 100_000), (6, 0, 100_000), (12, 0, 100_000)]
    assert [each.number for each in epochs] == [1, 2, 3]


def test_an_epoch_begins_with_every_step_of_a_schedule():
    scheduled = watch(rollout(every_seconds=8 * 3_600))
    epochs = epochs_through((), scheduled, START_MS + 17 * HOUR_MS)
    assert begins(epochs) == [(0, 0, 1_000), (6, 0, 1_000), (8, 1, 5_000), (14, 1, 5_000), (16, 2, 25_000)]


def test_the_last_step_goes_on_in_epochs_of_six_hours():
    epochs = epochs_through((), watch(rollout(every_seconds=60)), START_MS + 7 * HOUR_MS)
    assert begins(epochs) == [(0, 0, 1_000), (0, 1, 5_000), (0, 2, 25_000), (6, 2, 25_000)]


def test_an_epoch_begins_when_somebody_starts_the_next_step():
    first = epochs_through((), watch(rollout()), START_MS + HOUR_MS)
    advanced = watch(rollout(step=1, began=START + 2 * 3_600))
    again = epochs_through(first, advanced, START_MS + 3 * HOUR_MS)
    assert begins(again) == [(0, 0, 1_000), (2, 1, 5_000)]


def test_a_paused_rollout_has_no_more_steps():
    paused = rollout(every_seconds=3_600, phase=Phase.PAUSED, frozen=1_000, paused=START + 60)
    assert begins(epochs_through((), watch(paused), START_MS + 7 * HOUR_MS)) == [(0, 0, 1_000), (6, 0, 1_000)]


def test_known_epochs_never_change():
    scheduled = watch(rollout(every_seconds=8 * 3_600))
    known = epochs_through((), scheduled, START_MS + 9 * HOUR_MS)
    assert epochs_through(known, scheduled, START_MS + 9 * HOUR_MS) == known
    later = epochs_through(known, scheduled, START_MS + 17 * HOUR_MS)
    assert later == epochs_through((), scheduled, START_MS + 17 * HOUR_MS)


def test_a_vote_belongs_to_the_epoch_in_which_its_set_arrived():
    epochs = epochs_through((), watch(None), START_MS + 13 * HOUR_MS)
    at = (START_MS - 5, START_MS, START_MS + EPOCH_MS - 1, START_MS + EPOCH_MS, START_MS + 99 * HOUR_MS)
    assert [epoch_of(epochs, each).number for each in at] == [1, 1, 1, 2, 3]


def test_only_the_epochs_of_the_last_two_days_are_judged():
    epochs = epochs_through((), watch(None), START_MS + 100 * HOUR_MS)
    assert [each.number for each in open_epochs(epochs)] == list(range(10, 18))

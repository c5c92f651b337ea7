"""A database of figures from observations, for whoever asks questions of it."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort, Group, Observation, Step
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.figures_store import apply

APP = "com.acme.shop"
AT_MS = 1_760_000_000_000  # 2025-10-09 08:53:20 UTC


def write_figures(database: Path, observations: Iterable[Observation]) -> None:
    """Add observations, in order, to the database, which is made if there is none."""
    with closing(open_for_folding(database)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        apply(connection, observations)


def observation(subject: str = "report:set", **changes) -> Observation:
    """Of one Android device of channel production; `device` may be an id or a number, `group` changes the group."""
    of = {"platform": "android", "channel": "production"} | changes.pop("group", {})
    cohort = Cohort(Group(**of), **{each: changes.pop(each) for each in ("os", "country", "plugin") if each in changes})
    app, device = changes.pop("app", APP), changes.pop("device", 0)
    key = device_key(app, device) if isinstance(device, str) else device
    given = {"at_ms": AT_MS, "bundle": "1.0.0", "steps": Step(0)} | changes
    return Observation(app=app, device=key, cohort=cohort, subject=subject, **given)


def heard(device: str | int, **changes) -> Observation:
    """A device was heard of, and said which bundle it runs."""
    return observation("heard", device=device, **({"n": 0, "steps": Step.WORD} | changes))

"""What the folding process can be asked, by name: each a function of the figures and of JSON parameters."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial

import msgspec

from edge.assembly.counting.figures_file import FiguresFile
from edge.control.shapes.apps import AppStats, BundleCount
from edge.control.shapes.devices import RawErasedView
from edge.domain.comparing.reading import ExperimentReading
from edge.domain.errors import Unavailable
from edge.node.processes.data_paths import DataPaths
from edge.telemetry.folding.batches.known_outcomes import known_outcomes
from edge.telemetry.folding.counts import read_counts, read_duplicates
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.questions.port import Figures
from edge.telemetry.questions.registry import QUESTIONS, FigureQuestion
from edge.telemetry.questions.sqlite_figures import SqliteFigures, empty_database
from edge.telemetry.spool.app_records import KnownOutcomes, Outcomes
from edge.telemetry.trials.trial_reading import ExperimentAsked, read_experiment
from edge.telemetry.upkeep.audit import Audit, audit
from edge.telemetry.upkeep.erasures import Erasure
from edge.telemetry.votes.standing import GuardStanding, StandingQuestion
from edge.telemetry.votes.watch_judging import read_standing

FigureAnswer = Callable[[DataPaths, bytes], msgspec.Struct]


class OfApp(msgspec.Struct, frozen=True):
    """A question about one app."""

    app: str


def count_bundles(paths: DataPaths, parameters: bytes) -> AppStats:
    """Counts of everything that is folded, sorted by bundle and action, and duplicates."""
    app = msgspec.json.decode(parameters, type=OfApp).app
    counts: Counter[tuple[str, str]] = Counter()
    for each in read_counts(paths.counts_database, app):
        counts[each.bundle, each.action] += each.n
    rows = [BundleCount(bundle=bundle, action=action, n=n) for (bundle, action), n in sorted(counts.items())]
    return AppStats(counts=rows, duplicates=read_duplicates(paths.counts_database, app))


def ask_figures(question: FigureQuestion, paths: DataPaths, parameters: bytes) -> msgspec.Struct:
    """From one state of the database, whatever is folded meanwhile."""
    connection = open_for_reading(paths.counts_database) or empty_database()
    with closing(connection):
        return question.ask(SqliteFigures(connection), parameters)


def audit_node(paths: DataPaths, _: bytes) -> Audit:
    """Of everything on this node; takes as long as reading all of its segments does."""
    return audit(paths.spool_dir, paths.counts_database)


def match_outcomes(paths: DataPaths, parameters: bytes) -> KnownOutcomes:
    """Which of a batch are known, or of known devices, before it is stored."""
    with closing(open_for_reading(paths.counts_database) or empty_database()) as connection:
        return known_outcomes(connection, msgspec.json.decode(parameters, type=Outcomes))


def read_trial(paths: DataPaths, parameters: bytes) -> ExperimentReading:
    """What an experiment shows. Raises NotFound `no_experiment`."""
    with closing(open_for_reading(paths.counts_database) or empty_database()) as connection:
        return read_experiment(connection, msgspec.json.decode(parameters, type=ExperimentAsked))


def tell_standing(paths: DataPaths, parameters: bytes) -> GuardStanding:
    """What is known of a channel's release under guard."""
    with closing(open_for_reading(paths.counts_database) or empty_database()) as connection:
        return read_standing(connection, msgspec.json.decode(parameters, type=StandingQuestion))


ANSWERS: Mapping[str, FigureAnswer] = {
    "bundle_counts": count_bundles,
    "audit": audit_node,
    "known_outcomes": match_outcomes,
    "experiment_reading": read_trial,
    "guard_standing": tell_standing,
    **{name: partial(ask_figures, question) for name, question in QUESTIONS.items()},
}


def erase(figures: FiguresFile, parameters: bytes) -> RawErasedView:
    """Go on with all erasures, and tell of this one."""
    done = figures.erase(msgspec.json.decode(parameters, type=Erasure))
    return RawErasedView(**msgspec.structs.asdict(done))


def answer(
    figures: FiguresFile, paths: DataPaths, question: str, parameters: bytes, elsewhere: Figures | None = None
) -> bytes:
    """As JSON. With `elsewhere`, questions of the port are asked there. Raises Unavailable, and what the question
    raises."""
    if elsewhere is not None and question in QUESTIONS:
        return msgspec.json.encode(QUESTIONS[question].ask(elsewhere, parameters))
    if question == "erase":
        return msgspec.json.encode(erase(figures, parameters))
    asked = ANSWERS.get(question)
    if asked is None:
        raise Unavailable(
            "figures_unavailable", f"the folding process knows no question {question!r}: restart the node"
        )
    return msgspec.json.encode(figures.read(lambda: asked(paths, parameters)))

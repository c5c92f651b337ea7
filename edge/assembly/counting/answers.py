"""What the folding process can be asked, by name: each a function of the figures and of JSON parameters."""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from edge.assembly.counting.figures_file import FiguresFile
from edge.control.shapes.apps import AppStats, BundleCount
from edge.domain.errors import Unavailable
from edge.node.processes.data_directory import DataPaths
from edge.telemetry.folding.counts import read_counts, read_duplicates

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


ANSWERS: Mapping[str, FigureAnswer] = {"bundle_counts": count_bundles}


def answer(figures: FiguresFile, paths: DataPaths, question: str, parameters: bytes) -> bytes:
    """As JSON. Raises Unavailable, and what the question raises."""
    asked = ANSWERS.get(question)
    if asked is None:
        raise Unavailable(
            "figures_unavailable", f"the folding process knows no question {question!r}: restart the node"
        )
    return msgspec.json.encode(figures.read(lambda: asked(paths, parameters)))

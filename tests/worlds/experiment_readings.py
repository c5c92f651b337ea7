"""The reading of an experiment, as a node with some sixty thousand devices in it knows it."""

from edge.domain.comparing.reading import (
    ArmComparison,
    ArmFigure,
    ArmReading,
    ExperimentReading,
    MeasureKind,
    MeasureReading,
    RatioPoint,
    ShownState,
    SplitReading,
)

NOW = 1_795_789_925.0  # 2026-11-27 14:32:05 UTC
DAY_MS = 86_400_000
BEGAN_MS = int(NOW * 1000) - 14 * DAY_MS + 23_000_000


def compared(state, says, more="", *, low=None, ratio=None, high=None, arm="new", points=0) -> ArmComparison:
    series = tuple(
        RatioPoint(at_ms=BEGAN_MS + n * DAY_MS, low=max(0.0, 0.8 - 0.7 / n), high=0.9 + 0.9 / n, ratio=0.82 + 0.1 / n)
        for n in range(1, points + 1)
    )
    return ArmComparison(
        arm=arm, against="control", state=state, ratio=ratio, low=low, high=high, says=says, more=more, sentence=says,
        series=series,
    )  # fmt: skip


def measured(
    what, title, comparison, *values, kind=MeasureKind.SHARE, unit="of devices", better="fewer", note=""
) -> MeasureReading:
    """`values` are (devices, having, total) of control and new."""
    figures = tuple(
        ArmFigure(
            arm=arm,
            devices=n,
            having=k,
            total=total,
            value=(k if kind is MeasureKind.SHARE else total) / n if n else None,
        )
        for arm, (n, k, total) in zip(("control", "new"), values, strict=True)
    )
    return MeasureReading(
        id=what, title=title, kind=kind, unit=unit, better=better, note=note, figures=figures, comparisons=(comparison,)
    )


def a_reading(**changes) -> ExperimentReading:
    measures = (
        measured(
            *("errors", "Unhandled errors"),
            compared(
                ShownState.FEWER, "Fewer in new", "0.71 to 0.93 times", low=0.71, ratio=0.81, high=0.93, points=14
            ),
            *((30_912, 3_000, 4188.0), (30_568, 2_500, 3391.0)),
            kind=MeasureKind.MEAN,
            unit="a device",
        ),
        measured(
            *("failed", "Fails to start"),
            compared(
                ShownState.NO_DIFFERENCE,
                "No difference shown",
                "rules out more than +74 %",
                low=0.59,
                ratio=1.02,
                high=1.74,
            ),
            *((28_340, 59, 59.0), (27_865, 59, 59.0)),
        ),
        measured(
            *("event:trip_paid", "Trip paid"),
            compared(ShownState.OPEN, "Not shown yet", "about 6 Dec it could be", low=0.96, ratio=1.03, high=1.11),
            *((30_912, 4606, 4606.0), (30_568, 4707, 4707.0)),
            better="more",
        ),
        measured(
            *("event:invoice_open", "Invoice opened"),
            compared(ShownState.EARLY, "Too early", "21 of 50 events"),
            *((30_912, 9, 9.0), (30_568, 12, 12.0)),
            better="more",
        ),
    )
    given = {
        "app": "com.example.rider",
        "channel": "nordics",
        "id": "x",
        "name": "checkout-order",
        "kind": "releases",
        "question": "Does asking for the seat before the card lose fewer people?",
        "segment": "nordics",
        "began_ms": BEGAN_MS,
        "ended_ms": None,
        "as_of_ms": int(NOW * 1000) - 7000,
        "sentence": "New has fewer unhandled errors: 0.71 to 0.93 times as many as control. "
        "Whether trips paid differ is not shown yet; about 6 Dec it could be.",
        "arms": (
            ArmReading(name="control", bundle="4.11.3", share="50%", devices=30_912, installed=30_100),
            ArmReading(name="new", bundle="4.11.4", share="50%", devices=30_568, installed=27_865),
        ),
        "split": SplitReading(
            doubted=False, odds=1.4, limit=1000.0, sentence="The split is as meant: 50.3 to 49.7 %, for 50 to 50."
        ),
        "measures": measures,
        "comparisons": 4,
        "confidence": 0.9875,
    }
    return ExperimentReading(**given | changes)

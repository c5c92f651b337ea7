"""The summary of a change fits on one screen, however much it touches."""

from edge.cli.terminal.asking import SHOWN_LIMIT, _sentences

OFFERING = {"bundle": "1.0.0", "public": False, "last_good": None, "rollout": None, "experiment": None}


def an_impact(**changes):
    empty = {"channels": [], "more_channels": 0, "withdrawn": [], "removed": [], "devices": None}
    return empty | changes


def channel(name="stable", **after):
    return {"channel": name, "before": OFFERING, "after": OFFERING | after}


def test_much_is_cut_and_says_how_much():
    impact = an_impact(
        channels=[channel(f"c{n}", bundle="2.0.0") for n in range(50)],
        more_channels=7,
        removed=[f"1.{n}.0" for n in range(300)],
        devices={
            "devices": 9_000,
            "since": 0.0,
            "cut": True,
            "touched": 8_000,
            "moves": [{"runs": f"1.{n}.0", "was": f"1.{n}.0", "becomes": "2.0.0", "devices": 400} for n in range(20)],
            "running": [{"bundle": f"1.{n}.0", "devices": 400} for n in range(3)],
        },
    )
    lines = list(_sentences(impact))
    assert len(lines) <= 24 and all(len(line) < 200 for line in lines)
    assert "and 49 channels more" in lines and any(line.endswith(", and 292 more") for line in lines)
    assert sum("instead of" in line for line in lines) == 2 * SHOWN_LIMIT


def test_what_ends_and_what_runs_again_is_said():
    ends = an_impact(channels=[{**channel(), "before": OFFERING | {"experiment": "look", "rollout": "1.1.0"}}])
    assert "the rollout of 1.1.0 ends, experiment look ends, falls back to builtin" in next(_sentences(ends))
    assert "experiment look runs" in next(_sentences(an_impact(channels=[channel(experiment="look")])))


def test_from_a_rollout_a_channel_falls_back_to_what_it_offers():
    begins = an_impact(channels=[channel(rollout="1.1.0", last_good="0.9.0")])
    assert next(_sentences(begins)).endswith("offers 1.0.0, the rollout of 1.1.0 runs, falls back to 1.0.0")


def test_what_touches_no_device_says_so():
    seen = {"devices": 3, "since": 0.0, "cut": False, "touched": 0, "moves": [], "running": []}
    lines = list(_sentences(an_impact(removed=["1.0.0"], devices=seen)))
    assert (lines[0], lines[-1].rpartition("; ")[2]) == ("no channel changes its offer", "none of them affected")


def test_devices_that_could_not_be_asked_are_not_called_none():
    assert list(_sentences(an_impact()))[-1] == "known devices could not be counted now"

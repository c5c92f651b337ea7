"""Progress in a CI log: plain lines now and then, in a terminal's place."""

import threading

from edge.cli.terminal.output import size
from edge.cli.terminal.progress_lines import StageProgress, lines


def test_a_line_tells_the_stage_its_share_and_the_time():
    reached = StageProgress(begun=100.0)
    assert reached.line(105.0, size) == ""
    reached.reach("brotli", 4_500_000, 12_000_000)
    assert reached.line(120.0, size) == "brotli: 37% of 12.0 MB, after 20 s"
    reached.reach("the node verifies", 0, 0)
    assert reached.line(131.0, size) == "the node verifies: after 31 s"


def test_lines_come_while_the_block_runs_and_end_with_it():
    said, two = [], threading.Event()

    def say(line):
        said.append(line)
        if len(said) == 2:
            two.set()

    with lines(say, size, every=0.001) as reached:
        reached.reach("zip", 1, 2)
        assert two.wait(120)
    count = len(said)
    assert said[0].startswith("zip: 50% of 2 B, after ") and all(line.isprintable() for line in said)
    assert count == len(said) and all(thread.name != "progress" for thread in threading.enumerate())

"""What the README says of the language, of segments and of their limits is what the code says."""

from pathlib import Path

from edge.cli.demo_segments import ENTERPRISE, SEGMENTS, WINDOWS
from edge.domain.channel_changes import SPREAD_LIMIT_SECONDS
from edge.domain.durations import format_duration
from edge.domain.expressions import EXPRESSION_LEVELS_LIMIT, EXPRESSION_LIMIT_BYTES
from edge.domain.id_sets import ID_LIMIT, IDS_LIMIT, IDS_TEXT_LIMIT_BYTES
from edge.domain.language import language_rows
from edge.domain.rollout_changes import ARMS
from edge.domain.segment_changes import ID_SET_LIMIT, SEGMENT_LIMIT, SEGMENTS_LIMIT_BYTES
from edge.domain.windows import WINDOW_LIMIT, WINDOWS_PER_CHANNEL_LIMIT

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_table_of_the_language_is_the_one_of_the_code():
    header = "| Word | Is | Meaning | Example |\n|---|---|---|---|\n"
    rows = [f"| `{name}` | {kind} | {meaning} | `{example}` |\n" for name, kind, meaning, example in language_rows()]
    assert f"\n{header}{''.join(rows)}\n" in README


def test_the_worked_example_is_what_the_demo_makes():
    assert f'edge window set com.example.app {ENTERPRISE} "{WINDOWS[0]}" --rollback-passes' in README
    for each in SEGMENTS:
        assert f"edge segment set com.example.app {each.name} " in README and f"--where '{each.where}'" in README


def test_the_limits_of_targeting_are_those_of_the_code():
    for row in (
        f"| segments of an app | {SEGMENT_LIMIT}, their expressions {SEGMENTS_LIMIT_BYTES // 1024} KiB together |",
        f"| an expression | {EXPRESSION_LIMIT_BYTES // 1024} KiB, {EXPRESSION_LEVELS_LIMIT} levels of parentheses",
        f"| id sets of an app, ids of a set | {ID_SET_LIMIT}, {IDS_LIMIT:,} of {ID_LIMIT} characters |",
        f"| an uploaded list of ids | {IDS_TEXT_LIMIT_BYTES // 2**20} MiB, two worked on at a time |",
        f"| windows of a channel | {WINDOWS_PER_CHANNEL_LIMIT} of {WINDOW_LIMIT} characters |",
        f"| arms of an experiment | {ARMS.start} to {ARMS.stop - 1}, experiments of a channel 1 |",
        f"| a spread | {format_duration(SPREAD_LIMIT_SECONDS).removesuffix('d')} days |",
    ):
        assert row in README

"""What people read: tables, fields, sizes, and bars that only a terminal gets."""

import os
import pty
import subprocess
import sys

import click
import pytest

from edge.cli.terminal import output
from edge.cli.terminal.output import Output, cell, counted, fields, moment, plain, size, table


@pytest.mark.parametrize(
    ("count_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_550_000, "1.6 MB"), (2e9, "2.0 GB"), (5e12, "5.0 TB")],
)
def test_sizes_have_the_unit_that_fits(count_bytes, text):
    assert size(count_bytes) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), ("", "-"), (True, "yes"), (False, "no"), (0, "0"), ([], "-"), (["a", "b"], "a, b"), (1.5, "1.5")],
)
def test_cells_are_words(value, text):
    assert cell(value) == text


def test_moments_are_utc():
    assert moment(1_700_000_000.9) == "2023-11-14 22:13:20Z"


@pytest.mark.parametrize("seconds", [1e12, -1e12, 1e300, float("inf"), float("nan")])
def test_a_moment_that_no_calendar_has_is_said_all_the_same(seconds):
    assert moment(seconds) == "at no time that a calendar has"


def test_words_from_outside_cannot_drive_the_terminal():
    assert plain("a\x1b[2Jb\r\nc\x9b31m") == "a [2Jb  c 31m"


def test_a_table_aligns_numbers_to_the_right(capsys):
    table(("name", "n"), [["a", 1], ["bb", 200]], "nothing")
    assert capsys.readouterr().out == "NAME    N\na       1\nbb    200\n"


def test_one_long_cell_of_many_does_not_pad_the_others(capsys):
    table(("a", "b"), [["x", "y"]] * 5 + [["x" * 90, "y"]], "nothing")
    first, *_, last = capsys.readouterr().out.splitlines()
    assert (len(first), last) == (43, f"{'x' * 90}  y")


def test_an_empty_table_is_a_sentence(capsys):
    table(("name",), [], "nothing yet")
    assert capsys.readouterr().out == "nothing yet\n"


def test_a_cell_of_a_table_never_breaks_its_line(capsys):
    table(("name", "comment"), [["a", "two\nlines\x1b[31m"]], "nothing")
    assert capsys.readouterr().out == "NAME  COMMENT\na     two lines [31m\n"


@pytest.mark.parametrize(("n", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_one_is_not_many(n, text):
    assert counted(n, "file") == text


def test_fields_leave_out_what_is_not_there(capsys):
    fields([("version", "1.0.0"), ("folder", None), ("n", 0)])
    assert capsys.readouterr().out == "version  1.0.0\nn        0\n"


@pytest.mark.parametrize(("as_json", "printed"), [(True, '{\n  "a": [\n    1\n  ]\n}\n'), (False, "told\n")])
def test_a_result_is_json_or_told(capsys, as_json, printed):
    Output(as_json).result({"a": [1]}, lambda: output.line("told"))
    assert capsys.readouterr().out == printed


BARS = """
from edge.cli.terminal.output import progress, stages, table
with progress('uploading', 2_000_000) as advance:
    advance(1_500_000)
with stages() as reach:
    reach('zip', 5, 10)
table(('name', 'n'), [['a', 1]], '')
"""


def run_on_a_terminal(program, columns=100):
    """Both outputs of a process whose terminal is ours and `columns` wide."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        environ = os.environ | {"TERM": "xterm", "COLUMNS": str(columns)}
        args = [sys.executable, "-c", program]
        with subprocess.Popen(args, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as running:
            os.close(theirs)
            shown = b""
            try:
                while block := screen.read(65_536):
                    shown += block
            except OSError:  # Linux: what reading a terminal says when its other end is gone
                pass
        assert running.wait(120) == 0
    return shown.decode()


def test_bars_and_drawn_tables_are_for_terminals():
    shown = run_on_a_terminal(BARS)
    assert "uploading" in shown and "1.5/2.0 MB" in shown and "zip" in shown
    assert "─" in shown and "name" in shown


def test_a_pipe_gets_no_bar_and_never_loads_rich():
    program = BARS + "import sys\nassert 'rich' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "NAME  N\na     1\n", "")


NAMES = ("com.example.a-rather-long-app", "1.20.300-rc.1", "feature/a-branch-name")


@pytest.mark.parametrize(("columns", "stacked"), [(80, False), (60, True), (20, True)])
def test_a_table_never_breaks_a_name(columns, stacked):
    row = [*NAMES, "a comment of some words that may go on below itself where the terminal is narrow"]
    program = (
        f"from edge.cli.terminal.output import table\ntable(('app', 'version', 'channel', 'comment'), [{row!r}], '')"
    )
    shown = run_on_a_terminal(program, columns)
    assert all(name in shown for name in NAMES)
    assert ("─" in shown) is not stacked
    if columns >= 60:
        assert all(len(click.unstyle(each)) <= columns for each in shown.splitlines())


def lines_of_a_table(columns, row, width=80):
    program = f"from edge.cli.terminal.output import table\ntable({columns!r}, [{row!r}], '')"
    return [click.unstyle(each) for each in run_on_a_terminal(program, width).splitlines()]


def test_a_long_word_in_the_last_column_runs_over_the_edge():
    address = f"http://127.0.0.1:8080/bundles/com.acme.app/file/{'0' * 64}"
    header, _, row = lines_of_a_table(("status", "bytes", "request"), ["200", "4720", address])
    assert header.split() == ["status", "bytes", "request"] and row.split() == ["200", "4720", address]


def test_a_narrow_table_leaves_out_columns_without_a_value():
    row = ["1.0.0", "2026-01-31 12:00:00Z", "", "production, enterprise", ""]
    header, _, shown = lines_of_a_table(("version", "published", "encryption", "channels", "withdrawn"), row, 60)
    assert header.split() == ["version", "published", "channels"] and shown.split()[-1] == "enterprise"

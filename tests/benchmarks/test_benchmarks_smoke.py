"""The parts of the benchmarks that figures depend on: arithmetic, parsing, accounting, and one tiny real load."""

import importlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from places import ROOT

from benchmarks.__main__ import COMMANDS, module_of
from benchmarks.contenders.servers import FLOOR, program
from benchmarks.load.drain import drain
from benchmarks.load.wrk import Load, Summary, encode_script, parse_summary
from benchmarks.measuring.accounting import (
    cpu_seconds,
    cpu_seconds_in_ticks,
    family_of,
    memory_of,
    parse_stat_ticks,
    parse_status_memory,
)
from benchmarks.measuring.figures import Spread, in_words, percentile, ratios, spread
from benchmarks.measuring.sampling import CheckSample, check_table, in_turns, throughput_words
from benchmarks.output.plots import Curve, Plot, encode_svg
from benchmarks.output.tables import Table, encode_markdown, encode_text, values_of
from benchmarks.worlds.answers import HttpAnswer, fetch, padding, to_say
from benchmarks.worlds.releases import check_request, device_ids, get_request, question
from edge.wire.updates import parse_update_check

SPIN = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('spun', flush=True)\nsys.stdin.read()"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + bytes(70_000)


def summary(rate=1000.0, busy=0.5, p50=100.0):
    return Summary(int(rate), 10, 1.0, 0, busy, p50, p50, p50, p50, p50)


# --- arithmetic ---


def test_a_spread_is_the_median_between_the_smallest_and_the_largest():
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    with pytest.raises(ValueError, match="no round"):
        spread([])


def test_ratios_are_taken_round_by_round():
    # The second round was slow for both: its ratio is that of the others.
    assert ratios([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == Spread(2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_percentiles_are_nearest_ranks(share, expected):
    assert percentile(range(1, 101), share) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (0.0123, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (12345, "12,345")],
)
def test_figures_are_told_with_the_digits_that_mean_something(value, words):
    assert in_words(value) == words


def test_contenders_take_turns_and_another_begins_each_round():
    order = []
    found = in_turns({"a": 1, "b": 2, "c": 3}, 3, lambda value: order.append(value) or value)
    assert order == [1, 2, 3, 2, 3, 1, 3, 1, 2]
    assert found == {"a": [1] * 3, "b": [2] * 3, "c": [3] * 3}


# --- tables ---


def test_a_table_says_the_same_in_text_in_markdown_and_as_values():
    table = Table(
        title="T", columns=("name", "µs"), rows=(("ours", Spread(1.5, 1.0, 2.0)), ("a|b", None)), notes=("n",)
    )
    assert (
        encode_text(table)
        == "T\n\nname                µs\n----  ----------------\nours  1.50 (1.00-2.00)\na|b                  -\n\n  n"
    )
    assert "| ours | 1.50 (1.00-2.00) |\n| a\\|b | - |" in encode_markdown(table)
    assert values_of(table)["rows"][0] == {"name": "ours", "µs": {"median": 1.5, "low": 1.0, "high": 2.0}}


def test_a_table_refuses_a_row_of_another_width():
    with pytest.raises(ValueError, match="another width"):
        Table(title="T", columns=("a", "b"), rows=(("only one",),))


def test_throughput_counts_only_when_the_generator_had_time_left():
    assert throughput_words([0.1, 0.79]) == "yes, generator 79% busy"
    assert throughput_words([0.1, 0.81]) == "no, generator 81% busy"


def test_a_check_table_has_cpu_first_and_ratios_to_the_one_it_is_told():
    found = {"ours": [CheckSample(12.0, summary())], "nginx": [CheckSample(8.0, summary(busy=0.9))]}
    rows = check_table("T", found, "nginx").rows
    assert rows[0][:3] == ("ours", Spread(12.0, 12.0, 12.0), Spread(1.5, 1.5, 1.5))
    assert rows[1][4] == "no, generator 90% busy"


def test_a_plot_is_well_formed_and_stays_within_its_picture():
    curves = (
        Curve(name="a & b", points=((1_000, 0.1), (50_000, 9.0))),
        Curve(name="c", points=((2_000, 0.2),), dash=1),
    )
    svg = ET.fromstring(encode_svg(Plot(title="<T>", x="x", y="y", curves=curves)))
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<T>", "a & b", "c", "10,000", "1.00"} <= set(texts)


# --- wrk ---


def test_requests_reach_wrk_byte_for_byte():
    request = b'POST / HTTP/1.1\r\n\r\n{"a\\b":"\xc3\xa4"}'
    script = encode_script(Load([request], 64, 1))
    line = next(line for line in script.splitlines() if line.startswith('"POST'))
    assert line == '"POST / HTTP/1.1\\013\\010\\013\\010{\\034a\\092b\\034:\\034\\195\\164\\034}"'
    assert "delay()" not in script


def test_a_rate_is_a_random_wait_of_twice_its_mean_at_most():
    assert "return math.random(0, 16)" in encode_script(Load([b"x"], 64, 1, rate=8_000))


def test_the_summary_of_wrk_is_read_from_the_line_of_our_script():
    output = (
        "Running 1s test\nRESULT "
        '{"requests":500,"bytes":100,"microseconds":2000000,"failed":3,"p50":1,"p90":2,"p99":3,"p999":4,"most":5}\n'
    )
    found = parse_summary(output, busy=0.25)
    assert (found.rate, found.failed, found.busy, found.most) == (250.0, 3, 0.25, 5.0)
    with pytest.raises(RuntimeError, match="unable to connect"):
        parse_summary("", busy=0, words="unable to connect")


# --- accounting ---


@pytest.fixture
def spinning():
    """A child that has spent 0.3 s of CPU and now waits."""
    with subprocess.Popen([sys.executable, "-c", SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"spun\n"
        yield child
        child.stdin.close()


def test_cpu_time_of_a_child_is_what_it_spent_and_what_the_kernel_tells_in_ticks(spinning):
    spent = cpu_seconds([spinning.pid])
    assert 0.3 <= spent < 1.0
    assert cpu_seconds_in_ticks(spinning.pid) == pytest.approx(spent, abs=0.03)
    assert cpu_seconds([spinning.pid, os.getpid()]) > spent


def test_a_family_is_a_process_and_all_that_come_from_it(spinning):
    assert family_of(os.getpid())[0] == os.getpid()
    assert spinning.pid in family_of(os.getpid())
    assert family_of(spinning.pid) == [spinning.pid]
    memory = memory_of(spinning.pid)
    assert 1e6 < memory.resident_bytes <= memory.peak_bytes


def test_the_lines_of_proc_are_read_whatever_a_process_is_called():
    assert parse_stat_ticks("7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 27 15 0 0 20 0 1 0 99") == 42
    assert parse_status_memory("Name:\tVmRSS\nVmHWM:\t     30 kB\nVmRSS:\t   20 kB\n") == (20_480, 30_720)


# --- the load ---


def test_a_question_is_one_that_the_node_takes():
    request = check_request(question(device_ids(2)[1], version="1.0.1"), "updates.example.com")
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert parse_update_check(body).version_name == "1.0.1"
    assert device_ids(2) == device_ids(2)


def test_padding_makes_another_head_as_long_as_ours():
    ours = HttpAnswer(200, (("Server", "x"), ("Access-Control-Allow-Origin", "*")), b"h" * 100, b"")
    assert to_say(ours) == [("Access-Control-Allow-Origin", "*")]
    assert len(padding(ours, ours._replace(head=b"h" * 80))) == 20 - len("X-Pad: \r\n")
    assert padding(ours, ours._replace(head=b"h" * 99)) == ""


def test_a_real_load_on_the_floor_counts_every_byte(tmp_path):
    (tmp_path / "answer").write_bytes(ANSWER)
    request = get_request("/x", "localhost")
    with program(FLOOR, [tmp_path / "answer"], os.sched_getaffinity(0)) as server:
        assert fetch(server.port, request).body == ANSWER.partition(b"\r\n\r\n")[2]
        before = cpu_seconds(server.pids())
        found = drain(server.port, [request], 4, 0.2)
        assert cpu_seconds(server.pids()) > before
        beside = drain(server.port, [request], 4, 0.2, request)
        assert 0 < beside.beside_p50 <= beside.beside_p99
    assert found.answers > 0
    assert found.beside_p50 == found.beside_p99 == 0.0
    assert found.answers * len(ANSWER) <= found.bytes < (found.answers + 4) * len(ANSWER)
    assert 0 < found.p50 <= found.p99 <= found.most


# --- the whole ---


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_that_runs(name):
    assert callable(importlib.import_module(module_of(name)).run)


def test_an_unknown_name_is_refused_with_the_names_there_are():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "invalid choice: 'speed'" in done.stderr and "'check'" in done.stderr

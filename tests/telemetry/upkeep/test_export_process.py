"""The process that exports: both formats, a reader that leaves, and memory that does not grow with what is exported."""

import subprocess
import sys

import msgspec
import pytest
from places import ROOT
from pyarrow import parquet
from telemetry_lines import APP, NOW, line, write_segment

from edge.telemetry.upkeep.raw_events import RawEvent

# The largest memory of a child, which has only this one; in kilobytes.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def command(directory, form):
    options = [str(directory), str(directory / "erasures"), APP, "0", str(int(NOW * 1000) + 10**9), form]
    return [sys.executable, "-m", "edge.telemetry.upkeep.export_process", *options]


def export(directory, form):
    return subprocess.run(command(directory, form), cwd=ROOT, capture_output=True, check=True).stdout


def test_ndjson_has_a_line_an_event(tmp_path):
    write_segment(tmp_path, [line(version=f"1.0.{n}") for n in range(3)])
    found = [msgspec.json.decode(each, type=RawEvent) for each in export(tmp_path, "ndjson").splitlines()]
    assert [each.version for each in found] == ["1.0.0", "1.0.1", "1.0.2"]


@pytest.mark.long
@pytest.mark.parametrize("n", [0, 1, 25_000])
def test_parquet_has_the_same_rows(tmp_path, n):
    write_segment(tmp_path, [line(version=f"1.0.{each}") for each in range(n)] or [line(app="com.else")])
    (tmp_path / "out.parquet").write_bytes(export(tmp_path, "parquet"))
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == list(RawEvent.__struct_fields__)
    assert table["version"].to_pylist() == [f"1.0.{each}" for each in range(n)]
    assert {each.timestamp() for each in table["received_ms"].to_pylist()} <= {NOW}


def test_it_ends_when_nobody_reads(tmp_path):
    write_segment(tmp_path, [line()] * 20_000)
    with subprocess.Popen(command(tmp_path, "ndjson"), cwd=ROOT, stdout=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(60) != 0


@pytest.mark.long
@pytest.mark.parametrize("form", ["ndjson", pytest.param("parquet", marks=pytest.mark.long)])
def test_its_memory_does_not_grow_with_the_export(tmp_path, form):
    def peak_kib(folder, segments):
        folder.mkdir()
        for worker in range(segments):
            write_segment(folder, *([line()] * 1_000 for _ in range(50)), worker=worker)
        measured = [sys.executable, "-c", MEASURED, *command(folder, form)]
        return int(subprocess.run(measured, cwd=ROOT, capture_output=True, check=True).stdout)

    few, many = peak_kib(tmp_path / "few", 1), peak_kib(tmp_path / "many", 6)
    assert many < few * 1.25

"""What scripts a page loads: one file of ours, with the charts' where there are some."""

import re

import pytest

from edge.page.rendering import ACCOUNT, CHARTED, HERE, render, static_files, trimmed


def test_trimming_takes_indentation_and_whole_comments():
    assert trimmed(b'// said\n{\n  a("// b"); // c\n\n    // d\n}\n') == b'{\na("// b"); // c\n}\n'


@pytest.mark.parametrize("name", ["page.js", "charts.js", "passkeys.js"])
def test_no_text_of_ours_spans_lines(name):
    lines = (HERE / "static" / name).read_text().splitlines()
    assert [line for line in lines if line.count("`") % 2 or line.rstrip().endswith("\\") or "/*" in line] == []


def test_a_page_with_charts_loads_one_file_that_keeps_uplots_licence():
    body = static_files()[CHARTED].body
    assert body.startswith(static_files()["page.js"].body) and b"Copyright (c) 2022 Leon Sorokin" in body
    assert body.endswith(trimmed((HERE / "static" / "charts.js").read_bytes()))
    frame = {"signed_in": True}
    for template, wanted in (
        ("experiment_none.html", "page.js"),
        ("experiment.html", CHARTED),
        ("account.html", ACCOUNT),
    ):
        source = render(template, {"frame": frame, "title": "x", "passkeys": True}).decode()
        assert re.findall(r'<script src="/static/\w+/([\w.]+)"', source) == [wanted]

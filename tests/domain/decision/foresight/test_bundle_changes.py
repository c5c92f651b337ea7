"""What a device downloads from one bundle to the next follows from the content of the files, not from their names."""

import pytest
from factories import digest

from edge.domain.decision.foresight.bundle_changes import ChangedFile, FileFate, compare_files
from edge.domain.model import FileEntry


def entry(name, content, size=10):
    return FileEntry(name, digest(content), digest(content + " packed"), size)


INDEX = entry("index.html", "index")
CASES = {
    "the same": ([INDEX], [INDEX], [("index.html", FileFate.SAME, 10, 10, 0)]),
    "changed": ([INDEX], [entry("index.html", "other", 12)], [("index.html", FileFate.CHANGED, 10, 12, 12)]),
    "added": ([], [INDEX], [("index.html", FileFate.ADDED, None, 10, 10)]),
    "gone": ([INDEX], [], [("index.html", FileFate.REMOVED, 10, None, 0)]),
    "packed in another way": ([INDEX], [entry("index.html.br", "index", 6)], [("index.html", FileFate.SAME, 10, 6, 0)]),
    "renamed": (
        [entry("a.js", "code")],
        [entry("b.js", "code")],
        [("a.js", FileFate.REMOVED, 10, None, 0), ("b.js", FileFate.ADDED, None, 10, 0)],
    ),
    "most to download first": (
        [INDEX],
        [INDEX, entry("a.js", "a", 5), entry("b.js", "b", 50)],
        [
            ("b.js", FileFate.ADDED, None, 50, 50),
            ("a.js", FileFate.ADDED, None, 5, 5),
            ("index.html", FileFate.SAME, 10, 10, 0),
        ],
    ),
    "nothing at all": ([], [], []),
}


@pytest.mark.parametrize("case", CASES)
def test_each_file_has_its_fate_and_its_cost(case):
    older, newer, expected = CASES[case]
    assert list(compare_files(older, newer)) == [ChangedFile(*each) for each in expected]

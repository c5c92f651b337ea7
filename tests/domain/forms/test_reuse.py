"""What a device that runs an earlier version has: files of the same content and base name."""

from factories import digest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.forms.link_model import Difference
from edge.domain.forms.reuse import ManifestPrints
from edge.domain.manifest import encode_manifest
from edge.domain.model import FileEntry

NAMES = st.sampled_from(["a.js", "b.js", "deep/a.js", "deep/c.css.br", "c.css", "index.html"])


def listed(*files: tuple[str, str, int]) -> ManifestPrints:
    entries = [FileEntry(name, digest(content), digest(f"blob {content}"), size) for name, content, size in files]
    return ManifestPrints.of(encode_manifest(entries))


def test_what_differs_is_fetched():
    before = listed(("index.html", "1", 10), ("a.js.br", "old", 100), ("b.js", "same", 1_000))
    after = listed(("index.html", "2", 20), ("a.js.br", "new", 200), ("b.js", "same", 1_000))
    assert after.without(before.prints) == Difference(2, 220, 200)


def test_a_file_is_found_by_content_and_base_name():
    before = listed(("a/x.js", "1", 10), ("y.js.br", "2", 20))
    assert listed(("b/x.js", "1", 10), ("y.js", "2", 30)).without(before.prints) == Difference(0, 0, 0)
    assert listed(("a/z.js", "1", 10)).without(before.prints) == Difference(1, 10, 10)


def test_a_device_without_anything_fetches_all():
    assert listed(("a.js", "1", 10), ("b.js", "2", 5)).without(()) == Difference(2, 15, 10)


@given(
    st.lists(st.tuples(NAMES, st.sampled_from("xyz"), st.integers(0, 99)), min_size=1, unique_by=lambda file: file[0])
)
def test_nothing_is_left_of_itself_and_four_bytes_are_kept_a_file(files):
    found = listed(*files)
    assert found.without(frozenset(found.prints)) == Difference(0, 0, 0)
    assert found.prints.itemsize * len(found.prints) == 4 * len(files)

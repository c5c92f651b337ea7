"""File names that some release gets wrong: whatever is published, every file arrives under its own name.

Each bundle comes to the same phone after the one before, so the cache has met the contents.
"""

from tests.real_plugin.cell import Cell
from tests.real_plugin.suites.contents import small_app

FOLDERS = tuple(f"part-{letter}" for letter in "abcdefgh")
LONG_BYTES = (130, 150, 184, 188, 192, 240)  # on both sides of every release's limit for the last part of a path
UNUSUAL = (
    "grüße.txt", "日本語/テスト.js", "😀.svg", " leading.txt", "trailing .txt", "dot.", "a b/c d.js", "100%.js",
    "a#b.js", "a?b.js", "a&b=c.js", 'quote".txt', "con.txt", ".hidden/file.js", "12:30.txt", "plus+sign.js",
)  # fmt: skip


def names(cell: Cell) -> None:
    cell.world.create(cell.app)
    phone = cell.phone()
    for number, (label, named) in enumerate(BUNDLES.items(), 1):
        version = f"1.0.{number}"
        files = cell.world.publish(cell.app, version, small_app(number) | named)
        launch = cell.launch(label, phone)
        cell.expect_installed(label, launch, version, files)
        cell.expect(f"{label}: troubles", (), launch.troubles)


def _script(word: str) -> bytes:
    return f"export const word = {word!r};\n".encode() * 50


BUNDLES = {
    "equal base names": {f"{folder}/index.js": _script(folder) for folder in FOLDERS},
    "equal base names and contents": {f"{folder}/shared.js": _script("shared") for folder in FOLDERS},
    "equal contents": {f"{folder}.js": _script("same") for folder in FOLDERS},
    "long base names": {"n" * (size - 3) + ".js": _script(f"{size}") for size in LONG_BYTES},
    "names that end in .br": {
        "data.br": b"no brotli at all",
        "twice.js": _script("plain"),
        "other.js.br": _script("br"),
    },
    "unusual names": {name: _script(name) for name in UNUSUAL},
}

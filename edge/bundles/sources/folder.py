"""The files of a folder, following links within it. Links out of it, loops and special files are refused by name."""

import stat
from collections.abc import Iterator
from pathlib import Path

from edge.bundles.limits import INDEX, check_count
from edge.bundles.sources.files import Source, SourceFile, top_folder
from edge.bundles.sources.selection import GIT, IGNORE_FILE, IGNORE_LIMIT_BYTES, LeftOut, Selection, is_junk
from edge.domain.errors import Invalid
from edge.domain.manifest import check_name


def read_folder(path: Path, selection: Selection) -> Source:
    """The folder's files, unsorted. Raises Invalid `symlink_outside`, `symlink_broken`, `symlink_loop`, `special_file`,
    and as `top_folder`, `check_name` and `check_count`.
    """
    inside = path.resolve()
    root = _root(inside, selection)
    walk = _Walk(inside, selection.with_own(_ignore_file(root)))
    files: list[SourceFile] = []
    for file in walk.files(root, "", frozenset({inside, root})):
        files.append(file)
        check_count(len(files))  # early: a home folder given by mistake must not be walked to its end
    return Source(tuple(files), tuple(walk.left_out))


def _root(folder: Path, selection: Selection) -> Path:
    if (folder / INDEX).is_file():
        return folder
    walk = _Walk(folder, selection)
    firsts = [path for path in folder.iterdir() if walk.belongs(path, path.name) and walk.has_files(path)]
    names = [f"{path.name}/{INDEX}" if (path / INDEX).is_file() else path.name for path in firsts]
    return folder / top_folder(names, str(folder))


def _ignore_file(root: Path) -> bytes:
    try:
        with (root / IGNORE_FILE).open("rb") as file:
            return file.read(IGNORE_LIMIT_BYTES + 1)
    except FileNotFoundError:
        return b""


class _Walk:
    """One walk through a folder; `left_out` grows during it."""

    def __init__(self, inside: Path, selection: Selection) -> None:
        self._inside, self._selection = inside, selection
        self.left_out: list[LeftOut] = []

    def belongs(self, path: Path, name: str) -> bool:
        """Also notes what a rule leaves out. A left-out folder is still entered if a rule may bring back some of it."""
        if is_junk(path.name):
            if path.name == GIT:
                self.left_out.append(LeftOut(f"{name}/", GIT))
            return False
        is_folder = path.is_dir()
        found = self._selection.left_out(name, is_folder)
        if found is None or (is_folder and self._selection.brings_back and not path.is_symlink()):
            return True
        self.left_out.append(found)
        return False

    def has_files(self, path: Path) -> bool:
        if not path.is_dir():
            return True
        files = self.files(path.resolve(), "", frozenset({self._inside, path.resolve()}))
        return next(files, None) is not None

    def files(self, folder: Path, prefix: str, above: frozenset[Path]) -> Iterator[SourceFile]:
        """`above`: the real folders on the way down, to detect a link back up."""
        for path in folder.iterdir():
            name = prefix + path.name
            if not self.belongs(path, name):
                continue
            check_name(name)
            real = _resolve(path, name, self._inside) if path.is_symlink() else path
            found = real.stat()
            if stat.S_ISREG(found.st_mode):
                yield SourceFile(name, real, found.st_size)
            elif not stat.S_ISDIR(found.st_mode):
                raise Invalid("special_file", f"{name!r} is neither a file nor a folder")
            elif real in above:
                raise Invalid("symlink_loop", f"{name!r} is a link to a folder that contains it")
            else:
                yield from self.files(real, f"{name}/", above | {real})


def _resolve(link: Path, name: str, inside: Path) -> Path:
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise Invalid("symlink_broken", f"{name!r} is a broken link") from error
    if not real.is_relative_to(inside):
        raise Invalid("symlink_outside", f"{name!r} is a link to outside the folder")
    if any(is_junk(segment) for segment in real.relative_to(inside).parts):
        raise Invalid("symlink_outside", f"{name!r} is a link to something left out of the bundle")
    return real

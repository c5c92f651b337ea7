"""Which files of a source belong to the bundle: rules like those of .gitignore, and junk that is silently left out.

A rule is a glob; a leading `!` brings files back, a trailing `/` matches folders only, a `/` elsewhere anchors it at
the bundle's root, `**` crosses folders. The last rule that matches a file or a folder above it decides. The order: the
rules here, the working directory's .edgeignore, the source's own, excluding options, including options.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from edge.domain.errors import Invalid, TooLarge

IGNORE_FILE = ".edgeignore"
IGNORE_LIMIT_BYTES = 64 * 1024  # a hundred times what people write

GIT = ".git"
# What desktops, archivers and version control leave behind, in any folder; never part of a web app.
JUNK_NAMES = frozenset(
    {
        *("__MACOSX", ".DS_Store", ".AppleDouble", "Icon\r", "Thumbs.db", "desktop.ini", IGNORE_FILE),
        *(GIT, ".gitignore", ".gitattributes", ".gitkeep", ".gitmodules", ".hg", ".svn"),
    }
)
JUNK_PREFIX = "._"  # macOS: a file's attributes, beside it

# Not junk, but not for devices either. Only maps of code: a game may have a `level.map`.
LEFT_OUT = (".env*", "*.js.map", "*.mjs.map", "*.cjs.map", "*.css.map", "*.ts.map", "*.wasm.map")


class SelectionRule(NamedTuple):
    """A compiled rule."""

    text: str  # as written
    pattern: re.Pattern[str]
    leaves_out: bool
    folders_only: bool


class LeftOut(NamedTuple):
    """What a rule leaves out of the bundle."""

    name: str  # what a rule matched; a folder ends in `/`
    rule: str


@dataclass(frozen=True, slots=True)
class Selection:
    """All rules, in order."""

    rules: tuple[SelectionRule, ...]  # up to the source's own
    last_rules: tuple[SelectionRule, ...]  # after them: the options
    included: frozenset[str]  # names included explicitly, without a wildcard

    def left_out(self, name: str, is_folder: bool = False) -> LeftOut | None:
        """Why a file or folder, by its path from the bundle's root, is left out. None: it is not."""
        found = None
        paths = list(_ways_down(name, is_folder))
        for rule in (*self.rules, *self.last_rules):
            matched = next((path for path in paths if _matches(rule, path)), None)
            if matched is not None:
                found = LeftOut(matched, rule.text) if rule.leaves_out else None
        return found

    @property
    def brings_back(self) -> bool:
        """Whether a file in a left-out folder may still belong to the bundle."""
        return not all(rule.leaves_out for rule in (*self.rules, *self.last_rules))

    def with_own(self, ignore_file: bytes) -> "Selection":
        """With the rules of the source's own .edgeignore. Raises as `parse_ignore_file`."""
        return replace(self, rules=self.rules + parse_ignore_file(ignore_file))


def build_selection(
    exclude: Iterable[str] = (),
    include: Iterable[str] = (),
    ignore_file: bytes = b"",
    include_by_file: Iterable[str] = (),
) -> Selection:
    """`ignore_file` is the .edgeignore of the app's own folder. `include_by_file` brings files back as `include` does,
    but they do not count as `included` explicitly: it comes with the folder, which anyone may have written. Raises as
    `parse_ignore_file`."""
    wanted = tuple(include)
    left_out = tuple(_parse_rule(text, leaves_out=True, flags=re.IGNORECASE) for text in LEFT_OUT)
    before = (*left_out, *parse_ignore_file(ignore_file))
    brought_back = tuple(_parse_rule(text, leaves_out=False) for text in (*include_by_file, *wanted))
    return Selection(before, (*parse_rules(exclude), *brought_back), frozenset(map(_plain_name, wanted)) - {""})


def parse_ignore_file(content: bytes) -> tuple[SelectionRule, ...]:
    """Raises TooLarge `ignore_file_too_large`, Invalid `invalid_ignore_file`, `invalid_pattern`."""
    if len(content) > IGNORE_LIMIT_BYTES:
        raise TooLarge("ignore_file_too_large", f"{IGNORE_FILE} exceeds the limit of {IGNORE_LIMIT_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("invalid_ignore_file", f"{IGNORE_FILE} is not UTF-8: {error}") from error
    lines = (line.rstrip() for line in text.splitlines())
    return parse_rules(line for line in lines if line and not line.startswith("#"))


def parse_rules(lines: Iterable[str]) -> tuple[SelectionRule, ...]:
    """Raises Invalid `invalid_pattern`."""
    return tuple(_parse_rule(line.removeprefix("!"), leaves_out=not line.startswith("!")) for line in lines)


def is_junk(segment: str) -> bool:
    """Whether a file or folder with this name is silently left out."""
    return segment in JUNK_NAMES or segment.startswith(JUNK_PREFIX)


def _plain_name(pattern: str) -> str:
    return "" if re.search(r"[*?\[]", pattern) else pattern.removeprefix("./").removeprefix("/")


def _ways_down(name: str, is_folder: bool) -> Iterator[str]:
    """`a/`, `a/b/`, `a/b/c`: the folders above, each ending in `/`, then the file or folder itself."""
    for end in (at for at, character in enumerate(name) if character == "/"):
        yield name[: end + 1]
    yield f"{name}/" if is_folder else name


def _matches(rule: SelectionRule, path: str) -> bool:
    if rule.folders_only and not path.endswith("/"):
        return False
    return rule.pattern.fullmatch(path.removesuffix("/")) is not None


def _parse_rule(text: str, leaves_out: bool, flags: re.RegexFlag = re.NOFLAG) -> SelectionRule:
    glob = text.removeprefix("./")
    folders_only = glob.endswith("/")
    glob = glob.rstrip("/")
    anchored = "/" in glob
    glob = glob.removeprefix("/")
    if not glob:
        raise Invalid("invalid_pattern", f"the pattern {text!r} matches nothing")
    expression = _translate(glob, text)
    if not anchored:
        expression = f"(?:.*/)?{expression}"
    return SelectionRule(
        text if leaves_out else f"!{text}", re.compile(expression, re.DOTALL | flags), leaves_out, folders_only
    )


_PIECE = re.compile(
    r"\\(?P<plain>.)|(?P<across>(?:(?<=/)|^)\*\*/)|(?P<rest>\*\*)|(?P<set>\[[!^]?\]?[^]]*\])|.", re.DOTALL
)


def _translate(glob: str, text: str) -> str:
    return "".join(_expression(piece, text) for piece in _PIECE.finditer(glob))


def _expression(piece: re.Match[str], text: str) -> str:
    if piece["plain"]:
        return re.escape(piece["plain"])
    if piece["across"]:
        return "(?:.*/)?"
    if piece["rest"]:
        return ".*"
    if piece["set"]:
        return _set_expression(piece["set"], text)
    return {"*": "[^/]*", "?": "[^/]"}.get(piece[0], re.escape(piece[0]))


def _set_expression(found: str, text: str) -> str:
    inside = found[1:-1]
    negated = inside[:1] in ("!", "^")
    inside = inside[negated:].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]").replace("^", r"\^")
    expression = f"(?!/)[{'^' if negated else ''}{inside}]"
    try:
        re.compile(expression)
    except re.error as error:
        raise Invalid("invalid_pattern", f"{text!r} is not a valid pattern: {found}: {error}") from error
    return expression

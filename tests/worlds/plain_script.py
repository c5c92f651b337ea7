"""JavaScript from the TypeScript of `edge/client`, without a compiler.

For the subset that is used there: types stand in declarations of their own, and as annotations of names that are listed
here. Nothing else of TypeScript is understood.
"""

import re

_NAMES = ("string", "number", "boolean", "void", "Kind", "Labels", "Options", "Events", "Queued")
_DECLARATION = re.compile(r"^(?:export )?(?:type [^;]*;|interface \w+ \{.*?^\})\n", re.MULTILINE | re.DOTALL)
_ANNOTATION = re.compile(rf"\??: (?:{'|'.join(_NAMES)})\b(?:\[\])?")
_COMMENT = re.compile(r"/\*.*?\*/|(?<![:'])//[^\n]*", re.DOTALL)
_TEXT = re.compile(r"('[^']*')")
_SPACE = re.compile(r"\s*([^\w$])\s*")


def without_types(source: str) -> str:
    return _ANNOTATION.sub("", _DECLARATION.sub("", source))


def without_space(script: str) -> str:
    """Without comments, and without space that means nothing; names stay."""
    parts = _TEXT.split(_COMMENT.sub("", script))
    return "".join(part if number % 2 else _squeezed(part) for number, part in enumerate(parts))


def _squeezed(code: str) -> str:
    return re.sub(r"\s+", " ", _SPACE.sub(r"\1", code))

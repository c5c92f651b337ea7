"""Joiners (ZWJ, ZWNJ) in texts that are shown on one line: between letters that need them, as of Persian and Indic
scripts, and between emoji they stay; anywhere else they only make two texts look alike. Pure."""

import unicodedata

JOINERS = "\u200c\u200d"
_JOINED = ("L", "M", "So", "Sk")  # letters, marks such as a virama or a variation selector, emoji, skin tones
_FIRST = "\u0590"  # scripts before it, Latin, Greek and Cyrillic among them, need none


def is_shown(text: str, place: int) -> bool:
    """Whether the character there can be printed, or is a joiner that joins something."""
    letter = text[place]
    return letter.isprintable() or (letter in JOINERS and 0 < place < len(text) - 1 and _joined(text, place))


def _joined(text: str, place: int) -> bool:
    around = text[place - 1], text[place + 1]
    return all(each >= _FIRST and unicodedata.category(each).startswith(_JOINED) for each in around)


def shown_line(text: str, instead: str) -> str:
    """The text with something in place of what is not shown."""
    if text.isprintable():
        return text
    return "".join(each if is_shown(text, place) else instead for place, each in enumerate(text))

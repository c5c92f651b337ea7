"""Values of features as the page shows them."""

import json
from typing import Any

from edge.page.words.numbers import cleaned

VALUE_LIMIT = 80  # characters in a table; a JSON value can have kilobytes


def value_words(value: Any) -> str:
    """As JSON, in one line, cut; strangers' words, cleaned."""
    return "no value" if value is None else written_words(json.dumps(value, ensure_ascii=False))


def written_words(written: str) -> str:
    """A value that is written as JSON already."""
    text = cleaned(written)
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"

"""Values of features as the page shows them."""

import json
from typing import Any

from edge.page.words.numbers import cleaned

VALUE_LIMIT = 80  # characters in a table; a JSON value can have kilobytes


def value_words(value: Any, limit: int = VALUE_LIMIT) -> str:
    """As JSON, in one line, cut; strangers' words, cleaned."""
    return "no value" if value is None else written_words(json.dumps(value, ensure_ascii=False), limit)


def written_words(written: str, limit: int = VALUE_LIMIT) -> str:
    """A value that is written as JSON already."""
    text = cleaned(written)
    return text if len(text) <= limit else text[: limit - 1] + "…"

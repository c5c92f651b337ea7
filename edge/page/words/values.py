"""Values of features as the page shows them."""

import json
from typing import Any

from edge.page.words.numbers import cleaned

VALUE_LIMIT = 80  # characters in a table; a JSON value can have kilobytes


def value_words(value: Any) -> str:
    """As JSON, in one line, cut; strangers' words, cleaned."""
    if value is None:
        return "no value"
    text = cleaned(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"

"""Elements of SVG and HTML as `Markup`: every value is escaped, and no element has a style of its own."""

from collections.abc import Iterable

from markupsafe import Markup

from edge.page.words.numbers import cleaned, named

NOTHING = Markup()


def element(name: str, *content: str | Markup, **attributes: object) -> Markup:
    """`class_` is written `class`, `aria_label` `aria-label`; an attribute that is None is left out."""
    written = joined(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), cleaned(str(value)))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(
        name, written, joined(each if isinstance(each, Markup) else cleaned(each) for each in content)
    )


def joined(parts: Iterable[str | Markup]) -> Markup:
    return NOTHING.join(parts)


def across(fraction: float) -> str:
    """A fraction of the width, or of the height, as SVG takes it."""
    return f"{fraction * 100:.2f}%"


def line(kind: str, x1: str, y1: str, x2: str, y2: str) -> Markup:
    return element("line", class_=kind or None, x1=x1, x2=x2, y1=y1, y2=y2)


def label(words: str, kind: str, **attributes: object) -> Markup:
    return element("text", named(words), class_=kind or None, **attributes)

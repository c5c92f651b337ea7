"""A curve in a terminal, of braille dots: two columns and four rows of them in each character."""

from collections.abc import Sequence

_EMPTY = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from the top
_TOPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


def top_of(values: Sequence[float]) -> float:
    """A round share that is at least the largest value."""
    return next((top for top in _TOPS if max(values, default=0.0) <= top), 1.0)


def plot(values: Sequence[float], width: int, height: int, top: float) -> list[str]:
    """Lines, the uppermost first, of `width` characters: the values from left to right, evenly, from 0 to `top`.
    Neighbours are joined. Without values the lines are empty."""
    if not values:
        return [""] * height
    columns, rows = width * 2, height * 4
    cells = [[_EMPTY] * width for _ in range(height)]
    before = None
    for x in range(columns):
        value = values[round(x * (len(values) - 1) / max(columns - 1, 1))]
        y = round(min(value / top, 1.0) * (rows - 1))
        least, most = (y, y) if before is None else (min(y, before + (y > before)), max(y, before - (y < before)))
        for at in range(least, most + 1):
            row = rows - 1 - at
            cells[row // 4][x // 2] |= _DOTS[x % 2][row % 4]
        before = y
    return ["".join(map(chr, line)) for line in cells]

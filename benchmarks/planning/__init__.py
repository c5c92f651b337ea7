"""Fleets that no bench can hold: what they would need, and a day of theirs, measured or assumed."""

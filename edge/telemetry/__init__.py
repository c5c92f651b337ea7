"""Device reports: events are on disk before the answer, and are folded once into counts."""

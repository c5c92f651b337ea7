"""Verbs about devices: segments, id sets, overrides, explain, statistics and a simulated device."""

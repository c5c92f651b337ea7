"""Bundles of an app: the list, what changed between two, and publishing a dropped zip."""

"""Verbs about releases: apps, bundles, channels, rollouts, experiments, windows, ways back, history, keys."""

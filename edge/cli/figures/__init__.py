"""Verbs about figures: what devices did, counted."""

"""Verbs about the node's store, on its data directory itself: verify."""

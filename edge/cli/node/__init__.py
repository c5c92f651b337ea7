"""Verbs about the node itself: serve, doctor, configuration, tokens, login."""

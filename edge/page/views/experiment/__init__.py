"""Experiments: what one shows, what it does not, and when it could; and the list of those that run."""

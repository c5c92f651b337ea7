"""`edge demo`: a standalone node with a demo app in it."""

"""The lane: ordinary requests of the hot routes, answered by a small protocol of our own."""

"""One vote for each device and guarded release, kept in the database of the figures."""

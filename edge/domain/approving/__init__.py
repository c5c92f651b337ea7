"""Four eyes and freezes: what a change would do to protected channels, and whether it may. Pure."""

"""Four eyes and freezes from the command line."""

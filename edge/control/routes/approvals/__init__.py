"""Four eyes and freezes."""

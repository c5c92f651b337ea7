"""The chain itself: its lines, its files, its anchor, and whether it is as it was written."""

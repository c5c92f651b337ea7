"""Files that survive a power cut, and writing to them for many callers at once. No file format is known here."""

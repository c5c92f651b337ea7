"""A batch of records: read from the segments, added up in memory, told to the figures."""

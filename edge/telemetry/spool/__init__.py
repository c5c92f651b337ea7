"""The spool: segments of records on disk, written before the answer."""

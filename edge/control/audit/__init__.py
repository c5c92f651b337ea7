"""The audit: who did, tried or read what, in a chain of records that cannot be altered unseen."""

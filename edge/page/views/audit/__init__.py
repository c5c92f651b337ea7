"""The audit: who did, tried or read what."""

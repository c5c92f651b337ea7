"""`edge audit`: who did, tried or read what; a signed copy of it; and whether it is as it was written."""

"""What builds a running node in each of its roles, with everything it can be asked about."""

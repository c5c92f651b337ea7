"""One row for each device in an experiment, from its first check on."""

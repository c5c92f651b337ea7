"""What an experiment shows and what it does not: intervals that are valid at every look. Pure."""

"""What a publisher points at, as an ordered list of safely named files."""

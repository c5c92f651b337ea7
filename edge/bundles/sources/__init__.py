"""A publisher's folder or zip, as an ordered list of safely named files."""

"""Values and rules. Pure; imports nothing of edge outside this package."""

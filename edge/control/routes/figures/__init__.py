"""Figures: what devices did, and what teams bring in from elsewhere."""

"""Nodes in several places: following the truth from elsewhere, and sending home what devices bring about."""

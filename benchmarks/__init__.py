"""Figures of speed, side by side in one run: `python -m benchmarks NAME`. Imports edge; edge never imports this."""

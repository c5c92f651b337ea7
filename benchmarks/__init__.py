"""Performance figures, compared in one run: `python -m benchmarks NAME`. Imports edge; edge never imports this."""

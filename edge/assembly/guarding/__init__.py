"""The guard of a node: acts on what the folding process finds, and says so."""

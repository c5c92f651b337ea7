"""The object store under everything: its port, its back ends, and the probe that checks their conditions."""

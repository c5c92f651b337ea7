"""Returning to an earlier state: undo of the latest change, and an older one that is put back."""

"""Questions about figures, and what answers them: one small port, and the database of this node."""

"""Operations that compare and count: what changed between bundles, a device's story, who is in which segment."""

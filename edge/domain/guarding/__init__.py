"""Whether a release fails more than it may: tests that hold at every look, and the rules of evidence. Pure."""

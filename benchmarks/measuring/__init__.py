"""What processes cost, samples in turns, and the arithmetic of figures."""

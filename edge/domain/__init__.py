"""What is true: values and rules. Pure; imports nothing of edge outside this package."""

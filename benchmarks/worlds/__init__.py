"""The releases that benchmarks serve, and the answers that every contender must give."""

"""What devices report: events onto disk before the answer, folded once into counts."""

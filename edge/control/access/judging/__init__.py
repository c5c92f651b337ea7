"""What one may give and take away, and in whose hands a name may be."""

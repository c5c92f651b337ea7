"""What is asked and answered about approval and freezes."""

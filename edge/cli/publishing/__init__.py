"""What publishing needs beside the bundle itself: what is chosen, what is told."""

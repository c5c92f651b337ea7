"""What a benchmark returns, as text, Markdown, JSON or a picture."""

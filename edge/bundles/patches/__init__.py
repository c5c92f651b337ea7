"""Making and applying patches between files: `dcz` streams of RFC 9842."""

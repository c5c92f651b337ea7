"""Kinds of files whose format is already compressed. Others that do not shrink are found by a sample."""

COMPRESSED_SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".heic", ".jxl", ".woff", ".woff2"),
        *(".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".flac", ".mp4", ".m4v", ".mov", ".webm", ".ogv"),
        *(".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".br", ".lottie"),
    }
)

"""Raw events: kept for some days, exported, erased, and the audit of what was counted."""

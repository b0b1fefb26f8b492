"""Public data sets, fetched at run time and turned into the interchange format (JSON lines)."""

"""What a training reads: the catalog and users' steps as of log positions, as numbers."""

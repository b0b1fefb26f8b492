"""Programs that are measured: each is a process of its own, so that its CPU is its own."""

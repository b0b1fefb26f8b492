"""Members that do not exist, for experiments that nobody has to bear: a client of the platform.

What it cannot show is as important as what it can: docs/alignment.md.
"""

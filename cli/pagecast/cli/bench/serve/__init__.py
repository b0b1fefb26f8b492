"""`pagecast bench serve`: what a page costs, alone and among others, beside plainer decoding.

Read `parts` (the tables), `world` (what is served), `peers` (what it stands beside), `alone`,
`load` and `asking` (how pages are measured), `figures` and `served` (the first rows of the table).
Each other table has a file of its own.
"""

"""`pagecast bench serve`: what a page costs, alone and among others, beside plainer decoding.

Read `parts` (the tables), `world` (what is served), `alone` and `peers` (a page by itself and what
it is compared with), `asking`, `closed_loop` and `open_loop` (pages through gRPC), `figures` and
`served` (the first rows of the table). Each other table has a file of its own.
"""

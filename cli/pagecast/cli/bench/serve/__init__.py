"""`pagecast bench serve`: what a page costs, alone and among others, beside plainer decoding.

Read `world` (what is served), `peers` (what it stands beside), `alone` and `load` (how it is
measured), `figures` and `served` (the table).
"""

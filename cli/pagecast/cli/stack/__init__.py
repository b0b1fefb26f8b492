"""The local stack: broker, ingest and server as child processes of one command."""

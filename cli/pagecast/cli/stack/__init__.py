"""The local stack: broker, ingest, server and trainer as child processes of one command."""

"""The front door: commands, settings, the local stack."""

"""Prompts and pages, drawn and packed into what one forward pass takes."""

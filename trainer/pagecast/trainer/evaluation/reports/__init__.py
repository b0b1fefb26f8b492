"""What an evaluation tells: tables, JSON and an HTML page."""

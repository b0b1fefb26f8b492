"""`pagecast simulate`: its options, the data it begins from, and what it shows."""

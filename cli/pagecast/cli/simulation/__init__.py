"""`pagecast simulate`: what it is asked for, the data it begins from, and what it shows."""

"""`pagecast evaluate`: what was asked, the data, and the report on the terminal."""

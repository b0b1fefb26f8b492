"""`pagecast bench align`: who makes the better pages, by simulated members and known truths."""

"""`pagecast bench align`: who makes better pages, judged by simulated members and known truths."""

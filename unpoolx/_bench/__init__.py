"""`unpoolx bench`: unpoolx beside what its user would write without it, in ratios. `command.py` begins it."""

"""A whole testbed: bring it up, find it again, look at it, take it down, sweep what is left."""

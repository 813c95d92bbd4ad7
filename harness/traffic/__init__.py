"""Verified traffic between guests: every byte checked by offset and content."""

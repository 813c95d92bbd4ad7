"""What a run leaves behind, whatever it was and however it ended."""

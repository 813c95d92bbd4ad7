"""The controller: sees every move, start, crash and restore, and keeps links on their best path."""

"""Guests: booting them, running programs in them, knowing where they are."""

"""Moving a guest with its streams open."""

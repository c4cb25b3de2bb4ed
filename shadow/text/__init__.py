"""What a text says, knowing nothing of turns, arms or replies."""

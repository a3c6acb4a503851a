"""Lengths that instructions ask for: how they are read, written and scored."""

"""The lengths that an instruction asks for: read from it, and written into it."""

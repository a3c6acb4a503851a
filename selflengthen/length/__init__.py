"""Length requirements: read from instructions, written into them, and scored."""

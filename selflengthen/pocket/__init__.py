"""The embedded model: its language, its recipe, and its weights."""

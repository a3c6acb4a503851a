"""How long texts are and how good: scores of what is on file, and of what models answer."""

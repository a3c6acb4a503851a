"""Scores the length and the quality of texts: responses in a file, or answers of models."""

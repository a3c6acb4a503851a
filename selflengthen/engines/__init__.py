"""Engines turn requests into completions; they know no stage and write no file."""

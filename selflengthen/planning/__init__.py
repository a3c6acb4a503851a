"""Estimates what a run takes, before it uses a GPU."""

"""A run on disk: its paths, records and lock. The only package that writes there."""

"""How fast the parts are; `python -m benchmarks` runs them and prints one table."""

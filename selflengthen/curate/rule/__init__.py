"""The quality rule: fitted to tunings on subsets, and searched for the best number of rows."""

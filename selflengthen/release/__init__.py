"""The release of a finished run: its files, and the cards that describe them."""

"""The stages of a round: each says what one item is, how it is tried, and what accepts it."""

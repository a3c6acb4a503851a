"""The stages of a round: each says what an item is, how to attempt it, and which text to accept."""

"""The method: the rounds, what comes after the last, and what each stage's key is made of."""

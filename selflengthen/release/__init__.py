"""The end of the method: what comes after the last round.

`steps` is the list: collect (more instructions and drafts with the last generator, and the union of
all rounds), then finish (length demands, the base model's tuning, figures, the cards). `figures`
measures how well demands are followed, `cards` writes for people what the run's files say.
"""

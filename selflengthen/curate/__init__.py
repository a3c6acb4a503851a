"""Choosing the rows to train on, from any data set.

A method is a function from rows to a choice: the rows it keeps, and those it drops with a reason.

    steps.py     methods by name, with their options, and lists of them
    methods/     the methods; refine.py, in which a model improves what `longest` kept
    indicators/  what `quality` measures of a row, or has models score
    rule/        from indicators to a predicted loss: fitted by tunings, and searched
    io/          data sets and their fields, the row, what is kept and dropped, the work folder
    nltk_words.py  NLTK's word tokens, for `longest`
    in_run.py    choosing inside a run

Sets may be larger than memory: what is held of a row is its number.
"""

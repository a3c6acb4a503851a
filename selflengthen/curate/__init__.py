"""Choosing the rows to train on, from any data set.

A method is a function from rows to a choice: the rows it keeps, and those it drops with a reason.

    sets.py      opens a data set by its name: JSONL (jsonl.py), Parquet and tables (tables.py)
    fields.py    which fields of a row are its prompt and its response
    rows.py      the row, rows that are held by number, and the choice
    steps.py     methods by name, with their options, and lists of them
    longest.py  quality.py  faithful.py  mix.py      the methods
    nltk_words.py                        NLTK's word tokens, for `longest`
    indicators.py  scorers.py  neighbours.py  cache.py      what quality measures
    rules.py  fit.py                     from indicators to a predicted loss
    refine.py                            a model improves what `longest` kept
    subsets.py  search.py                rules and sizes by real tunings
    tuning.py  tuner.py  losses.py       what a tuning is; the child that tunes and measures
    work.py                              the folder of what takes long and goes on
    write.py     what is kept, what is dropped and why, the report

Sets may be larger than memory: what is held of a row is its number.
"""

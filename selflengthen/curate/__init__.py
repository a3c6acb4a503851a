"""Choosing the rows to train on, from any data set.

A method is a function from rows to a choice: the rows it keeps, and those it drops with a reason.

    steps.py     methods by name with their options, and lists of them
    methods/     the methods; refine.py, where a model improves the rows that `longest` keeps
    indicators/  what `quality` measures of a row, or has models score
    rule/        rules that predict a loss from indicators: fitted by tunings, and searched
    io/          data sets and their fields, rows, the output files, the work folder
    nltk_words.py  NLTK's word tokens, for `longest`
    in_run.py    choosing rows inside a run

Data sets may be larger than memory: of a row, only its number is kept there.
"""

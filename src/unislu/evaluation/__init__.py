"""Metrics over gold annotations and predictions: pure functions that return counts.

A score is a property of counts, counts add up over utterances and files, and a score that is 0/0 is `None`,
never 0. Gold and prediction are joined on their ids. Every rate is in percent, as in the papers. Every report
names its text normalisation (`profiles.py`).
"""

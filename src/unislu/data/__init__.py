"""Data for training and evaluation: records, corpora, synthesised speech and augmentation.

Nothing of the runtime imports this package; it needs the extras `train` or `tts` where a module says so.
"""

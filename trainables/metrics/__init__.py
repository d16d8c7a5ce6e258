"""What a network's predictions are worth: functions of logits `[.., M, C]` and labels `[.., M]`, for all lanes at once.

`catalogue.py` lists what is reported of an epoch, without importing torch, and `classes.py` what must be known of a
data set's classes for it. A file per idea computes: values per image `[.., M]` whose mean is the metric, or counts that
may be summed over batches. None asks the host for anything, and logits that are no numbers make a metric NaN or an
arbitrary prediction, never an exception. `engine/measure.py` puts them together. May import torch, numpy and the
other training packages; never Ray, MLflow or the platform.
"""

"""Training: one trial or many, from a plain description to numbers and weights.

`losses`, `models`, `data` and `engine` need torch, numpy and scikit-learn alone, so that training runs and is
tested without a cluster. Beside them stand the thin Ray Tune Trainables, one per loss family. Nothing here knows
of studies, ledgers or MLflow. Start with `trial.py`, which says what a trial is made of.
"""

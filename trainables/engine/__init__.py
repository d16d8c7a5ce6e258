"""The training engine: an array of lanes, each lane one trial, all training as one program.

`lanes.py` is the interface (add, remove, advance, save); `network.py` runs the lanes' networks, alone or stacked;
`objective.py` their losses; `optimizers.py` and `schedules.py` move the weights; `checkpoint.py` puts a lane on disk
and `session.py` takes one trial from its description to its end. May import torch and the other training packages;
never Ray, MLflow or the platform.
"""

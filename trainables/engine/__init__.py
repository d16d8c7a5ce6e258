"""The training engine: an array of lanes, each lane one trial, all training as one program.

`lanes.py` is the interface (add, remove, advance, save), `lane.py` what goes in and comes out; `program.py` is one
epoch, with the hot loop. Images come from `sources.py`, held on the device (`device_data.py`) or decoded meanwhile
(`streamed_data.py`), and are changed by `augmenting.py`. A lane's network (`network.py`, `dropout.py`) and its loss
(`resolve.py`, `objective.py`) are rows of a `bank.py`, run alone or together by `stack.py` (`stateless.py`,
`folding.py`, `channels_last.py`, `parts.py`, `memory.py`: how that is quick) and moved by `optimizers.py` and
`schedules.py`; on a GPU a step is one graph (`graphs.py`). `checkpoint.py` puts a lane on disk and `session.py` takes
one trial from its description to its end. May import torch and the other training packages; never Ray, MLflow or the
platform.
"""

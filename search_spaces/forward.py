"""Forward correction: how long the network learns before the transition is estimated.

Source: Patrini et al., CVPR 2017: a network is trained to its end first, and the 97 % quantile taken where classes are
many; here the estimate is made once, within the training. Cost: 3 configs. Results: not measured.
"""

SPACE = {"transition": "estimated", "warmup": {"grid": [5, 10, 20]}, "quantile": 0.97}
TINY = {"transition": "estimated", "warmup": {"grid": [2, 5]}, "quantile": 0.97}

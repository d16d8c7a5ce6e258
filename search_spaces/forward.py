"""Forward correction: how long the network learns before the transition is estimated.

Source: Patrini et al., CVPR 2017: a network is trained to its end first; here the estimate is made once, within the
training, after `warmup` epochs. The paper takes the 97 % quantile, and with 100 classes the largest value; ours is
1 - 0.3 / C, which is 97 % at 10 classes. Cost: 3 configs. Results: not measured.
"""

SPACE = {"transition": "estimated", "warmup": {"grid": [5, 10, 20]}, "quantile": "ours"}
TINY = {"transition": "estimated", "warmup": {"grid": [5, 10]}, "quantile": "ours"}

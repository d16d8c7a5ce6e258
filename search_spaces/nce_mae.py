"""NCE + MAE: the weights of the active and the passive part.

Source: Ma et al., ICML 2020: 1 and 1 for CIFAR-10, 10 and 1 for CIFAR-100, 1 and 10 for MNIST, by the authors'
configuration files, whose absolute error is 1 - q_y, half of ours: their β is ours times 2. Cost: 9 configs.
Results: not measured.
"""

SPACE = {"alpha": {"grid": [0.1, 1.0, 10.0]}, "beta": {"grid": [0.1, 1.0, 10.0]}}
TINY = {"alpha": {"grid": [1.0, 10.0]}, "beta": 1.0}

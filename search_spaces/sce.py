"""SCE: the weights of cross entropy and of its reverse.

Source: Wang et al., ICCV 2019: α = 0.1, β = 1 for CIFAR-10, 6 and 0.1 for CIFAR-100, A = -4. Cost: 9 configs.
Results: not measured.
"""

SPACE = {"alpha": {"grid": [0.1, 1.0, 6.0]}, "beta": {"grid": [0.1, 1.0, 10.0]}}
TINY = {"alpha": {"grid": [0.1, 1.0]}, "beta": 1.0}

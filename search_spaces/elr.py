"""ELR: the weight of the regularisation and the memory of the running mean.

Source: Liu et al., NeurIPS 2020: λ in {1, 3, 5, 7, 10} and β in {0.5, 0.7, 0.9, 0.99}; λ = 3, β = 0.7 for CIFAR-10, 7
and 0.9 for CIFAR-100. Cost: 20 configs. Results: not measured.
"""

SPACE = {"lambda_": {"grid": [1.0, 3.0, 5.0, 7.0, 10.0]}, "beta": {"grid": [0.5, 0.7, 0.9, 0.99]}}
TINY = {"lambda_": {"grid": [1.0, 3.0]}, "beta": 0.7}

"""SG-MCEL: the weights of the penalties.

Source: Negi, Chen and Mahoor, eq. 10, which gives neither weights nor p: the grid is ours, with p = 2. α alone does not
hold a free ε, nor did β = γ = 0.1 on digits; β draws it to 1/2 and γ to 0, so that equal ones settle near 1/4.
Cost: 18 configs. Results: not measured.
"""

SPACE = {
    "alpha": {"grid": [1.0, 10.0]},
    "beta": {"grid": [0.3, 1.0, 3.0]},
    "gamma": {"grid": [0.3, 1.0, 3.0]},
    "similarity": "lda",
}
TINY = {
    "alpha": 10.0,
    "beta": {"grid": [1.0, 3.0]},
    "gamma": {"grid": [0.3, 1.0]},
    "similarity": "lda",
}

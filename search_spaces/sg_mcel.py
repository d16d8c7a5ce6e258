"""SG-MCEL: the weights of the penalties, and where ε starts.

Source: Negi, Chen and Mahoor, eq. 10, which gives neither weights nor p: the grid is ours. α = 1 lets a free ε run away (our
notes), 10 holds it; β draws it to 1/2 and γ to 0, so that equal ones settle at 1/4. p = 2 throughout.
Cost: 18 configs. Results: not measured.
"""

SPACE = {
    "alpha": {"grid": [10.0, 100.0]},
    "beta": {"grid": [0.0, 0.1, 1.0]},
    "gamma": {"grid": [0.0, 0.1, 1.0]},
    "similarity": "lda",
}
TINY = {
    "alpha": 10.0,
    "beta": {"grid": [0.1, 1.0]},
    "gamma": {"grid": [0.1, 1.0]},
    "similarity": "lda",
}

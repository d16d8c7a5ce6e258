"""Label smoothing: ε.

Source: Szegedy et al., 2016 (0.1 throughout); Negi, Chen and Mahoor, eq. 2. The grid is MCEL's, so that the two are
compared at equal shares of the target. Cost: 6 configs. Results: not measured.
"""

SPACE = {"epsilon": {"grid": [0.0, 0.1, 0.2, 0.3, 0.4, 0.49]}}
TINY = {"epsilon": {"grid": [0.1, 0.3]}}

"""Taylor cross entropy: how many terms.

Source: Feng et al., IJCAI 2020; 1 term is half the absolute error, infinitely many are cross entropy; the grid is ours.
Cost: 6 configs. Results: not measured.
"""

SPACE = {"order": {"grid": [1, 2, 4, 6, 10, 20]}}
TINY = {"order": {"grid": [2, 6]}}

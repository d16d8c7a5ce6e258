"""Infogain: the paper's matrix against none.

Source: Negi, Chen and Mahoor, section 2: H_ii = min_j N_j / N_i, zero off the diagonal; the identity is cross entropy.
That matrix is symmetric, so that the axis does not matter. Cost: 2 configs. Results: not measured.
"""

SPACE = {"matrix": {"grid": ["identity", "balanced"]}}
TINY = SPACE

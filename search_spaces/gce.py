"""GCE: q.

Source: Zhang and Sabuncu, NeurIPS 2018: 0.7 throughout; q = 0 is cross entropy, q = 1 half the absolute error.
Cost: 5 configs. Results: not measured.
"""

SPACE = {"q": {"grid": [0.1, 0.3, 0.5, 0.7, 0.9]}}
TINY = {"q": {"grid": [0.3, 0.7]}}

"""JS: the label's weight.

Source: Englesson and Azizpour, NeurIPS 2021: π in {0.1, 0.3, 0.5, 0.7, 0.9}; near 0 it is cross entropy, near 1 half
the absolute error. Cost: 5 configs. Results: not measured.
"""

SPACE = {"pi": {"grid": [0.1, 0.3, 0.5, 0.7, 0.9]}}
TINY = {"pi": {"grid": [0.1, 0.5]}}

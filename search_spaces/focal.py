"""Focal loss: γ.

Source: Lin et al., ICCV 2017, figure 1: γ in {0, 0.5, 1, 2, 5}; 0 is cross entropy. Cost: 5 configs.
Results: not measured.
"""

SPACE = {"gamma": {"grid": [0.0, 0.5, 1.0, 2.0, 5.0]}}
TINY = {"gamma": {"grid": [0.5, 2.0]}}

"""Bootstrapping: how far the label is trusted, and what stands against it.

Source: Reed et al., ICLR workshop 2015: β = 0.95 soft, 0.8 hard; β = 1 is cross entropy. Cost: 8 configs.
Results: not measured.
"""

SPACE = {"beta": {"grid": [0.5, 0.8, 0.9, 0.95]}, "mode": {"grid": ["soft", "hard"]}}
TINY = {"beta": 0.8, "mode": {"grid": ["soft", "hard"]}}

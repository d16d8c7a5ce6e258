"""Absolute error: nothing of its own to search.

Source: Martinez and Stiefelhagen, tables 1 and 2, where it fails to converge at the learning rate of cross entropy.
Cost: one config per learning rate. Results: not measured.
"""

SPACE: dict[str, object] = {}
TINY = SPACE

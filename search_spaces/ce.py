"""Cross entropy: nothing of its own to search; every study searches its learning rate with the others'.

Source: the baseline of all four papers. Cost: one config per learning rate. Results: not measured.
"""

SPACE: dict[str, object] = {}
TINY = SPACE

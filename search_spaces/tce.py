"""TCE: α.

Source: Martinez and Stiefelhagen, tables 1 and 2: α in {0.5, 1, 1.5, 2}. α = 0 is cross entropy; larger values tame
more and learn slower. Cost: 4 configs. Results: not measured.
"""

SPACE = {"alpha": {"grid": [0.5, 1.0, 1.5, 2.0]}}
TINY = {"alpha": {"grid": [0.5, 1.5]}}

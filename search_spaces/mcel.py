"""MCEL: ε, with the LDA similarity.

Source: Negi, Chen and Mahoor, figure 3: ε in [0, 0.5] by 0.1, its open end taken as 0.49. Table 1 used 0.35, table 3
0.2. Cost: 6 configs. Results: not measured.
"""

SPACE = {"epsilon": {"grid": [0.0, 0.1, 0.2, 0.3, 0.4, 0.49]}, "similarity": "lda"}
TINY = {"epsilon": {"grid": [0.1, 0.3]}, "similarity": "lda"}

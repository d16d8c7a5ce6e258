"""SimLoss: r, for classes that have an order.

Source: Kobs et al., ISMIS 2020: r in {0, 0.1, ..., 0.9} for ages; r = 0 is cross entropy but for eps. For classes that
resemble one another, `LIKENESS_SPACE` has the paper's l in {0, 0.1, ..., 0.9, 0.99}; put the similarity wanted in it
(the paper's is {name: words, path: ...}).
Cost: 10 configs. Results: not measured.
"""

SPACE = {"similarity": "order", "r": {"grid": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]}}
LIKENESS_SPACE = {
    "similarity": "lda",
    "l": {"grid": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]},
}
TINY = {"similarity": "order", "r": {"grid": [0.3, 0.7]}}

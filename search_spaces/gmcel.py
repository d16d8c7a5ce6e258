"""GMCEL: the weights of the penalties.

Source: Negi, Chen and Mahoor, eq. 11, which gives neither weights nor p nor margins: the grid is ours, with p = 2 and
the margins that leave the start unpenalised. β and γ together keep the entries between 0 and 1: weights of 0.1 did not
hold a free matrix on digits. The penalties' curvature grows with the number of classes, as 2 α C and 2 η C²; with α = 1
and loss_lr 0.01 a free matrix of 100 classes diverges. So 'ours' are α = 10 / C and η = 10 / C², 1 and 0.1 at 10.
Cost: 8 configs. Results: not measured.
"""

SPACE = {
    "beta": {"grid": [1.0, 3.0]},
    "gamma": {"grid": [1.0, 3.0]},
    "eta": {"grid": ["ours", 0.001]},
    "similarity": "lda",
}
TINY = {
    "beta": 1.0,
    "gamma": {"grid": [1.0, 3.0]},
    "eta": {"grid": ["ours", 0.001]},
    "similarity": "lda",
}

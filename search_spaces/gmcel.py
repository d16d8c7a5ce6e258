"""GMCEL: the weights of the penalties.

Source: Negi, Chen and Mahoor, eq. 11, which gives neither weights nor p nor margins: the grid is ours, with the margins that
leave the start unpenalised. β draws every entry to 1, also those off the diagonal, and stays 0. The penalties' curvature
grows with the number of classes (2 α C and 2 η C²): beyond 10 classes smaller weights, or a smaller loss_lr, are needed
for the steps to settle. Cost: 12 configs. Results: not measured.
"""

SPACE = {
    "alpha": {"grid": [0.1, 1.0]},
    "gamma": {"grid": [0.1, 1.0]},
    "eta": {"grid": [0.0, 0.001, 0.01]},
    "similarity": "lda",
}
TINY = {
    "alpha": 1.0,
    "gamma": 1.0,
    "eta": {"grid": [0.001, 0.01]},
    "similarity": "lda",
}

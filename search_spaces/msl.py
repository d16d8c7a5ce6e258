"""MSL: batch size, where ξ starts, and which blocks carry a module.

Source: Do, Jin, Nguyen and Kim: table 3 for the batch size (64 to 512), table 2 for the blocks, of which 'last' is its
config 1 and 'all' its config 7; a network's blocks by name are given in the study file. ξ = 0.5 in the text, its
neighbours are ours. The within-class loss needs images of one class in the batch: small batches of many classes have
few. Cost: 24 configs. Results: not measured.
"""

SPACE = {
    "xi": {"grid": [0.25, 0.5, 1.0]},
    "modules": {"grid": ["last", "all"]},
    "training.batch_size": {"grid": [64, 128, 256, 512]},
}
TINY = {
    "xi": 0.5,
    "modules": {"grid": ["last", "all"]},
    "training.batch_size": {"grid": [64, 128]},
}

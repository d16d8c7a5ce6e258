"""The families of the four papers."""

from __future__ import annotations

from trainables.losses.families.family import Family
from trainables.losses.families.kinds import Blocks, Choice, Integer, Matrix, Real, Similarity
from trainables.similarity import SIMILARITIES

DO = "Do, Jin, Nguyen and Kim, Mixture Separability Loss"
GHOSH = "Ghosh, Kumar and Sastry, Robust Loss Functions under Label Noise, AAAI 2017"
KOBS = "Kobs, Steininger, Zehe, Lautenschlager and Hotho, SimLoss, ISMIS 2020"
MARTINEZ = "Martinez and Stiefelhagen, Taming the Cross Entropy Loss, 2018"
NEGI = "Negi, Chen and Mahoor, Leveraging Class Similarity (MCEL)"
SZEGEDY = "Szegedy et al., Rethinking the Inception Architecture, CVPR 2016"

EPSILON = Real(0.1, 0, 0.5, high_open=True, meaning="share of the target given to similar classes")
START = Real(0.1, 0, 0.5, high_open=True, meaning="where the learned share begins")
EXPONENT = Real(2.0, 1, meaning="exponent of the penalties' norms")
LOSS_LR = Real(0.01, 0, low_open=True, meaning="learning rate of what the loss learns")
LIKENESS = Similarity(
    default="order",
    names=tuple(name for name in SIMILARITIES if name != "uniform"),
    raw=True,
    without_options=("order",),
    meaning="'order': r^|i-j|; otherwise likenesses in [-1, 1] with unit diagonal, of which l is cut off",
)

PAPERS = [
    Family(
        name="ce",
        class_name="CrossEntropy",
        title="cross entropy",
        formula="-log q_y",
        paper="the standard baseline",
        neutral={},
    ),
    Family(
        name="label_smoothing",
        class_name="LabelSmoothing",
        title="label smoothing",
        formula="-(1-ε) log q_y - ε/C Σ_i log q_i",
        paper=f"{SZEGEDY}; {NEGI}, eq. 2",
        hyperparameters={
            "epsilon": Real(0.1, 0, 1, high_open=True, meaning="share of the target spread over all classes"),
        },
        neutral={"epsilon": 0.0},
    ),
    Family(
        name="infogain",
        class_name="Infogain",
        title="infogain",
        formula="-Σ_i H[i,y] log q_i",
        paper=f"{NEGI}, eq. 1",
        hyperparameters={
            "matrix": Matrix(
                default="balanced",
                names=("identity", "balanced"),
                meaning="H, no entry negative; 'balanced' has min_j N_j / N_i on its diagonal, N counted in training",
            ),
            "axis": Choice("column", ("column", "row"), meaning="whether the label picks H's column (paper) or row"),
        },
        neutral={"matrix": "identity"},
    ),
    Family(
        name="mcel",
        class_name="MixedCrossEntropy",
        title="mixed cross entropy (MCEL)",
        formula="-(1-ε) log q_y - ε Σ_i A[y,i] log q_i",
        paper=f"{NEGI}, eqs. 3 and 4",
        hyperparameters={"epsilon": EPSILON, "similarity": Similarity()},
        neutral={"epsilon": 0.0},
    ),
    Family(
        name="sg_mcel",
        class_name="SemiGeneralizedMCEL",
        title="semi-generalized MCEL, one learned ε per class",
        formula="-(1-ε_y) log q_y - ε_y Σ_i A[y,i] log q_i + α Σ_i (|ε_i|+|1-ε_i|-1)² + β |ε-½|_p^p + γ |ε|_p^p",
        paper=f"{NEGI}, eqs. 6 and 10",
        hyperparameters={
            "epsilon": START,
            "similarity": Similarity(),
            "alpha": Real(10.0, 0, meaning="penalty on targets that are no distribution"),
            "beta": Real(1.0, 0, meaning="penalty that draws ε to 1/2"),
            "gamma": Real(1.0, 0, meaning="penalty that draws ε to 0"),
            "p": EXPONENT,
            "parameterisation": Choice("free", ("free", "bounded"), meaning="ε itself, or ε = sigmoid(.)/2"),
            "loss_lr": LOSS_LR,
        },
        neutral={"epsilon": 0.0, "alpha": 0.0, "beta": 0.0, "gamma": 0.0},
    ),
    Family(
        name="gmcel",
        class_name="GeneralizedMCEL",
        title="generalized MCEL, a learned mixture matrix",
        formula="-Σ_i E[y,i] log q_i + α Σ_i (Σ_j E_ij - 1)² + β |E-1|_p^p + γ |E|_p^p"
        " + η Σ_i ((C-1)(E_ii - c_i) - Σ_{j≠i} E_ij)²",
        paper=f"{NEGI}, eqs. 8, 9 and 11",
        hyperparameters={
            "epsilon": Real(0.1, 0, 0.5, high_open=True, meaning="E begins at (1-ε) I + ε A"),
            "similarity": Similarity(),
            "alpha": Choice(
                "ours",
                ("ours",),
                number=Real(1.0, 0, meaning="penalty on rows that do not sum to 1"),
                meaning="penalty on rows that do not sum to 1: 10 / C, or a number",
            ),
            "beta": Real(1.0, 0, meaning="penalty that draws every entry to 1"),
            "gamma": Real(1.0, 0, meaning="penalty that draws every entry to 0"),
            "eta": Choice(
                "ours",
                ("ours",),
                number=Real(0.1, 0, meaning="penalty that holds the diagonal's margin"),
                meaning="penalty that holds the diagonal's margin: 10 / C², or a number",
            ),
            "p": EXPONENT,
            "margins": Choice(
                "ours",
                ("ours", "paper"),
                number=Real(0.0, 0, 1, high_open=True, meaning="margin of every class"),
                meaning="c: (C(1-ε)-1)/(C-1), which leaves the start unpenalised, the paper's (½-ε)/2, or a number",
            ),
            "parameterisation": Choice("free", ("free", "simplex"), meaning="E itself, or the softmax of its rows"),
            "loss_lr": LOSS_LR,
        },
        neutral={"epsilon": 0.0, "alpha": 0.0, "beta": 0.0, "gamma": 0.0, "eta": 0.0},
    ),
    Family(
        name="tce",
        class_name="TamedCrossEntropy",
        title="tamed cross entropy (TCE)",
        formula="((1 - log q_y)^(1-α) - 1) / (1-α)",
        paper=f"{MARTINEZ}, eqs. 8 and 9",
        hyperparameters={"alpha": Real(1.0, 0, 1000, meaning="strength of the taming; 0 is cross entropy")},
        neutral={"alpha": 0.0},
    ),
    Family(
        name="mse",
        class_name="MeanSquaredError",
        title="squared error of the probabilities",
        formula="Σ_i (q_i - [i=y])²",
        paper=f"{GHOSH}; {MARTINEZ}, section 3.2",
        limit="none: the squared error is bounded by 2 everywhere",
    ),
    Family(
        name="mae",
        class_name="MeanAbsoluteError",
        title="absolute error of the probabilities",
        formula="Σ_i |q_i - [i=y]| = 2 (1 - q_y)",
        paper=f"{GHOSH}; {MARTINEZ}, section 3.2",
        limit="none: the absolute error is bounded by 2 everywhere",
    ),
    Family(
        name="simloss",
        class_name="SimLoss",
        title="SimLoss",
        formula="-log(Σ_i S[y,i] q_i + eps)",
        paper=f"{KOBS}, as their code computes it",
        hyperparameters={
            "similarity": LIKENESS,
            "r": Real(0.5, 0, 1, high_open=True, meaning="likeness of neighbours in the order of classes; 0 is none"),
            "l": Real(0.0, 0, 1, high_open=True, meaning="likeness that counts as none, where one is measured"),
            "eps": Real(1e-8, 0, 1, meaning="added to the probability: caps the loss at -log eps"),
        },
        counts={
            "r": lambda values: values["similarity"] == "order",
            "l": lambda values: values["similarity"] != "order",
        },
        neutral={"similarity": "order", "r": 0.0, "eps": 0.0},
    ),
    Family(
        name="msl",
        class_name="MixtureSeparability",
        title="mixture separability loss (MSL)",
        formula="-log q_y + Σ_j max(0, d_j - ξ)², d_j the mean distance of class j's logits in the batch",
        paper=f"{DO}, eqs. 1 and 3 to 6",
        hyperparameters={
            "xi": Real(0.5, 0, low_open=True, meaning="distance within a class that is tolerated at first"),
            "xi_decay": Real(0.9, 0, 1, low_open=True, meaning="what ξ is multiplied by where the loss stands still"),
            "patience": Integer(100, 1, meaning="iterations over which the within-class loss is averaged"),
            "tolerance": Real(0.01, 0, meaning="relative change of that average that counts as none"),
            "xi_floor": Real(0.05, 0, low_open=True, meaning="ξ does not fall below it"),
            "distance": Choice("euclidean", ("euclidean", "l1"), meaning="of two images' logits"),
            "modules": Blocks(),
        },
        limit="cross entropy where the batch has one image per class",
        attaches_modules=True,
    ),
]

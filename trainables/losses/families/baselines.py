"""What a reader of the four papers compares them with today."""

from __future__ import annotations

from trainables.losses.families.family import Family
from trainables.losses.families.kinds import Choice, Integer, Matrix, Real

ENGLESSON = "Englesson and Azizpour, Generalized Jensen-Shannon Divergence Loss, NeurIPS 2021"
FENG = "Feng et al., Can Cross Entropy Loss Be Robust to Label Noise?, IJCAI 2020"
LIN = "Lin et al., Focal Loss for Dense Object Detection, ICCV 2017"
LIU = "Liu et al., Early-Learning Regularization Prevents Memorization of Noisy Labels, NeurIPS 2020"
MA = "Ma et al., Normalized Loss Functions for Deep Learning with Noisy Labels, ICML 2020"
PATRINI = "Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017"
REED = "Reed et al., Training Deep Neural Networks on Noisy Labels with Bootstrapping, ICLR workshop 2015"
WANG = "Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, ICCV 2019"
ZHANG = "Zhang and Sabuncu, Generalized Cross Entropy Loss, NeurIPS 2018"

LOG_ZERO = Real(-4.0, high=0, meaning="what stands for log 0 in the reverse cross entropy")
NORMALISED = "none: the normalised cross entropy lies in [0, 1] in every setting"

BASELINES = [
    Family(
        name="gce",
        class_name="GeneralizedCrossEntropy",
        title="generalized cross entropy",
        formula="(1 - q_y^q) / q",
        paper=f"{ZHANG}, eq. 6",
        hyperparameters={"q": Real(0.7, 0, 1, meaning="0 is cross entropy, 1 half the absolute error")},
        neutral={"q": 0.0},
    ),
    Family(
        name="sce",
        class_name="SymmetricCrossEntropy",
        title="symmetric cross entropy",
        formula="-α log q_y - β A (1 - q_y)",
        paper=f"{WANG}, eqs. 5 to 7",
        hyperparameters={
            "alpha": Real(0.1, 0, meaning="weight of the cross entropy"),
            "beta": Real(1.0, 0, meaning="weight of the reverse cross entropy"),
            "log_zero": LOG_ZERO,
        },
        neutral={"alpha": 1.0, "beta": 0.0},
    ),
    Family(
        name="focal",
        class_name="FocalLoss",
        title="focal loss",
        formula="-(1 - q_y)^γ log q_y",
        paper=f"{LIN}, eq. 4",
        hyperparameters={"gamma": Real(2.0, 0, meaning="how much sure right answers are played down")},
        neutral={"gamma": 0.0},
    ),
    Family(
        name="nce_rce",
        class_name="NormalizedAndReverse",
        title="normalised and reverse cross entropy (active-passive)",
        formula="α log q_y / Σ_i log q_i - β A (1 - q_y)",
        paper=f"{MA}, section 3",
        hyperparameters={
            "alpha": Real(1.0, 0, meaning="weight of the active part"),
            "beta": Real(1.0, 0, meaning="weight of the passive part"),
            "log_zero": LOG_ZERO,
        },
        limit=NORMALISED,
    ),
    Family(
        name="nce_mae",
        class_name="NormalizedAndAbsolute",
        title="normalised cross entropy and absolute error (active-passive)",
        formula="α log q_y / Σ_i log q_i + 2 β (1 - q_y)",
        paper=f"{MA}, section 3",
        hyperparameters={
            "alpha": Real(1.0, 0, meaning="weight of the active part"),
            "beta": Real(1.0, 0, meaning="weight of the passive part"),
        },
        limit=NORMALISED,
    ),
    Family(
        name="bootstrap",
        class_name="Bootstrap",
        title="bootstrapping",
        formula="-β log q_y - (1-β) Σ_i t_i log q_i, t = q (soft) or its largest class (hard)",
        paper=f"{REED}, eqs. 6 and 7",
        hyperparameters={
            "beta": Real(0.95, 0, 1, meaning="trust in the label; the paper has 0.95 soft and 0.8 hard"),
            "mode": Choice("soft", ("soft", "hard"), meaning="the network's probabilities, or its answer"),
        },
        neutral={"beta": 1.0},
    ),
    Family(
        name="forward",
        class_name="ForwardCorrection",
        title="forward correction",
        formula="-log Σ_i T[i,y] q_i",
        paper=f"{PATRINI}, theorem 2 and section 4",
        hyperparameters={
            "transition": Matrix(
                default="estimated",
                names=("identity", "true", "estimated"),
                meaning="T[i,j] = p(label j | class i): of the noise that was made, or estimated after the warm-up",
            ),
            "warmup": Integer(10, 1, meaning="epochs of cross entropy before the transition is estimated"),
            "quantile": Choice(
                "ours",
                ("ours",),
                number=Real(0.97, 0, 1, low_open=True, meaning="which sample stands for a class, by its probability"),
                meaning="which sample stands for a class, by its probability: 1 - 0.3 / C, or a number",
            ),
        },
        neutral={"transition": "identity"},
    ),
    Family(
        name="elr",
        class_name="EarlyLearningRegularization",
        title="early-learning regularisation",
        formula="-log q_y + λ log(1 - Σ_i t_i q_i), t a running mean of the sample's q",
        paper=f"{LIU}, eqs. 6 and 9",
        hyperparameters={
            "lambda_": Real(3.0, 0, meaning="weight of the regularisation"),
            "beta": Real(0.7, 0, 1, high_open=True, meaning="memory of the running mean"),
        },
        neutral={"lambda_": 0.0},
        needs_samples=True,
    ),
    Family(
        name="taylor_ce",
        class_name="TaylorCrossEntropy",
        title="Taylor cross entropy",
        formula="Σ_{k=1..order} (1 - q_y)^k / k",
        paper=f"{FENG}, section 4",
        hyperparameters={"order": Integer(2, 1, 100, meaning="terms of the series; 1 is half the absolute error")},
        limit="cross entropy as order -> infinity",
    ),
    Family(
        name="js",
        class_name="JensenShannon",
        title="Jensen-Shannon divergence",
        formula="(H(π [y] + (1-π) q) - (1-π) H(q)) / -((1-π) log(1-π))",
        paper=f"{ENGLESSON}, section 3",
        hyperparameters={
            "pi": Real(0.5, 0, 1, low_open=True, high_open=True, meaning="weight of the label"),
        },
        limit="cross entropy as pi -> 0, half the absolute error as pi -> 1",
    ),
]

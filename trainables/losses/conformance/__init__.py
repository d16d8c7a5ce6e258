"""What every loss promises, as checks that any loss can be run through, one's own too.

    from trainables.losses.conformance import CHECKS, Subject
    subject = Subject(lambda num_classes: MyLoss(num_classes, alpha=0.5).double())
    for check in CHECKS:
        check(subject)

A check raises ConformanceError, in a sentence, where a promise is broken. `check_formula`, `check_neutral`,
`check_stacked` and `check_compiled` need more than the subject and are called one by one.
"""

from trainables.losses.conformance.checks import CHECKS
from trainables.losses.conformance.comparisons import check_compiled, check_formula, check_neutral, check_stacked
from trainables.losses.conformance.subject import ConformanceError, Subject

__all__ = [
    "CHECKS", "ConformanceError", "Subject", "check_compiled", "check_formula", "check_neutral", "check_stacked",
]  # fmt: skip

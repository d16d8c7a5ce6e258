"""study sync"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.cli.output import AsJson, StudyName, console, print_json
from study.errors import StudyError

if TYPE_CHECKING:
    from study.tracking.mlflow_view import MlflowView


def sync(name: StudyName, as_json: AsJson = False) -> None:
    """Bring MLflow level with the ledger, making what is missing there and nothing twice.

    Example: study sync quickstart
    """
    from study.records.ledger import Ledger
    from study.records.lock import WriterLock
    from study.records.paths import Home
    from study.tracking import launched_tracking, tracking_uri
    from study.tracking.faults import patiently
    from study.tracking.links import run_links
    from study.tracking.mlflow_report import PAGE, show_report
    from study.tracking.mlflow_store import in_a_line
    from study.tracking.mlflow_view import MlflowView

    home = Home.current()
    paths = home.existing(name)
    with WriterLock(paths.lock, "study sync"), Ledger(paths.ledger, write=True) as ledger:
        view = MlflowView(tracking_uri(launched_tracking(ledger), home), paths, home, ledger)
        try:
            trials = patiently(lambda: _bring(view), lambda: view.pushed)
            if (page := paths.report / PAGE).is_file() and (unlinked := show_report(home, paths, page)):
                raise StudyError(unlinked)
        except StudyError:
            raise
        except Exception as problem:  # whatever a store can raise
            said = in_a_line(problem, view.uri)
            raise StudyError(f"MLflow at {view.store}: {said}; is it running? then sync again") from None
        links = run_links(ledger, home)
    experiment = links.name if links else name
    if as_json:
        print_json({"study": name, "store": view.store, "experiment": experiment, "trials": trials})
        return
    where = f", experiment '{experiment}'" if experiment != name else ""
    console.print(f"{view.store}{where}: {f'{trials} trials brought over' if trials else 'already level'}")


def _bring(view: MlflowView) -> int:
    """How many trials the store lacked news of."""
    view.connect()
    trials = len(view.behind())
    view.level(hurry=True)
    return trials

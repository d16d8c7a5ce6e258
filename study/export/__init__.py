"""The best configurations of a study as files that stand alone: settings, numbers, provenance, weights, model card.

`files.py` writes them, `values.py` says what is in them, `card.py` tells it to people, `reading.py` reads them again,
`use.py` gives their networks images to judge, `registry.py` brings them into MLflow's model registry. May import all
of the platform but `study.cli` and `study.running.launch`; torch and MLflow are imported inside functions.
"""

from study.export.files import Exported, drop_stale, export_study, file_names
from study.export.reading import load_network, read_export

__all__ = ["Exported", "drop_stale", "export_study", "file_names", "load_network", "read_export"]

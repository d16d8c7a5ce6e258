"""The study file as typed models: what may be written in it, its defaults and its rules.

A file for each section: `tasks.py` (data set, noise, network), `families.py`, `training.py`, `search.py` (search,
scheduler, selection, confirmation), `running.py` (resources, tracking); `study.py` puts them together. Everything
behind `study_file.load_spec`, which reads one, works with these frozen, checked values.
"""

from study.spec.families import FamilySpec
from study.spec.running import ResourcesSpec, TrackingSpec
from study.spec.search import (
    MAX_CONFIGS,
    AshaSpec,
    ConfirmSpec,
    MedianSpec,
    NoSchedulerSpec,
    SearchSpec,
    SelectSpec,
)
from study.spec.study import StudySpec, json_schema
from study.spec.tasks import DatasetSpec, ModelSpec, NoiseSpec, dataset_title
from study.spec.training import TrainingSpec

__all__ = [
    "MAX_CONFIGS",
    "AshaSpec",
    "ConfirmSpec",
    "DatasetSpec",
    "FamilySpec",
    "MedianSpec",
    "ModelSpec",
    "NoSchedulerSpec",
    "NoiseSpec",
    "ResourcesSpec",
    "SearchSpec",
    "SelectSpec",
    "StudySpec",
    "TrackingSpec",
    "TrainingSpec",
    "dataset_title",
    "json_schema",
]

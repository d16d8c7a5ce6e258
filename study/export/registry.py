"""Exported networks in MLflow's model registry: one registered model per study, one version per cell's best config."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.export.champions import CHAMPION, champions, differing_axes
from study.export.reading import beside, described_input_of, network_of, read_export
from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.redaction import redacted
from study.tracking import launched_tracking, tracking_uri
from study.tracking.faults import patiently
from study.tracking.mlflow_store import in_a_line, keeps_files_in, settle_environment
from study.tracking.owner import Owner, make_model, own_experiment, own_model
from study.tracking.words import listed

if TYPE_CHECKING:
    from trainables.deployed import Deployed

WEIGHTS_TAG = "study.sha256"
ARTIFACT = "model-{digest:.8}"  # where a run keeps it
PACKAGES = ("torch", "numpy")
DESCRIPTION = 5000  # characters that MLflow keeps


@dataclass(frozen=True)
class Version:
    """One version of the registered model. `form` is `pt2`, which needs no code of ours, or `pickle`, which does."""

    version: str
    title: str
    file: str
    form: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registered:
    """What there is in the registry now, and sentences about what a user has to know."""

    model: str
    store: str
    versions: list[Version]
    notes: list[str]

    @property
    def champions(self) -> list[str]:
        """The addresses of the best, one for each task."""
        return [f"models:/{self.model}@{alias}" for version in self.versions for alias in version.aliases]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "champions": self.champions}


def register(files: Sequence[Path], paths: StudyPaths, home: Home) -> Registered:
    """Bring the exported files that are the best of their cells into the registry of the study's tracking store.

    What is there already stays one version. Where a model of the study's name is someone else's, the study's own has a
    second name, and a note says so. The version with the best validation mean becomes `champion`; in a study of
    several tasks, whose scores do not compare, that of each task `champion-TASK` and none `champion`. Of versions that
    tie, the first in the study's order is taken, and a note says so. StudyError where the store, or a file, refuses; a
    version that could not be made leaves nothing behind.
    """
    exports = [(file, values) for file in files if (values := read_export(file))["rank"] == 1]
    with Ledger(paths.ledger) as ledger:
        tracking = launched_tracking(ledger)
        uri = tracking_uri(tracking, home)
        runs = {key: found[0] for key, found in ledger.tracked(redacted(uri)).items()}
        axes = differing_axes([facts for _, facts in ledger.cells()])
        owner = Owner.of(paths.name, ledger)
    if not tracking.enabled:
        raise StudyError(f"study '{paths.name}' has tracking switched off; --register needs an MLflow store")
    for _, values in exports:
        if values["provenance"]["trial_key"] not in runs:
            raise StudyError(f"MLflow lacks runs of '{paths.name}'; bring it level first: study sync {paths.name}")
    with _quiet():
        store = _Store(uri, owner, home)
        versions, notes = [], []
        for file, values in exports:
            version = store.version(file, values, runs[values["provenance"]["trial_key"]])
            versions.append(version)
            if version.form == "pickle":
                notes.append(
                    f"{version.title} cannot be traced and is registered as a pickle: it loads only where this package "
                    "and the network's own code are importable, and executes what it holds"
                )
        versions, ties = store.crown(versions, [values for _, values in exports], axes)
        notes += ties
    if store.model == owner.second_name:
        notes.append(f"a registered model '{owner.study}' of someone else is there: the study's is '{store.model}'")
    return Registered(store.model or owner.study, redacted(uri), versions, notes)


class _Store:
    """A tracking store with its registry. Whatever it raises becomes one line."""

    def __init__(self, uri: str, owner: Owner, home: Home) -> None:
        settle_environment()
        import mlflow

        self.uri, self.owner, study = uri, owner, owner.study
        self.client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        with self._asked():
            experiment = patiently(lambda: own_experiment(self.client, owner), lambda: 0)
            if experiment is None:
                raise StudyError(
                    f"MLflow at {redacted(uri)} has nothing of '{study}'; bring it level: study sync {study}"
                )
            if uri.startswith("sqlite:") and not keeps_files_in(home.mlflow_artifacts, experiment.artifact_location):
                raise StudyError(
                    f"MLflow keeps files of '{study}' in {experiment.artifact_location}: the studies' home was moved; "
                    f"delete {home.root / 'mlflow.db'}, then study sync {study}"
                )
            self.model = self._settled_model()

    def _settled_model(self) -> str:
        """What the study's registered model is called; nothing before there is one."""
        model = own_model(self.client, self.owner)
        if model is None:
            return ""
        for tag, value in self.owner.tags.items():
            if model.tags.get(tag) != value:
                self.client.set_registered_model_tag(model.name, tag, value)
        return str(model.name)

    def version(self, file: Path, values: dict[str, Any], run_id: str) -> Version:
        """The version of an exported file, made where there is none of these weights yet."""
        title = f"{values['label']} on {', '.join(str(values['task'][part]) for part in ('dataset', 'noise', 'model'))}"
        digest = values["weights"]["sha256"]
        card = file.with_suffix(".md").read_text(encoding="utf-8")[:DESCRIPTION]
        for known in self._versions():
            if known.tags.get(WEIGHTS_TAG) == digest and known.run_id == run_id:
                if known.description != card:  # confirmed since, or in a study of other tasks
                    with self._asked():
                        self.client.update_model_version(self.model, known.version, card)
                return Version(str(known.version), title, file.name, known.tags["study.form"])
        network = network_of(file, values)
        with tempfile.TemporaryDirectory(prefix="study-register-") as scratch:
            folder = Path(scratch, ARTIFACT.format(digest=digest))
            form = _save(network, described_input_of(file, values), folder, title)
            for each in _beside(file, values):
                shutil.copy(each, folder)
            tags = {
                **self.owner.tags, WEIGHTS_TAG: digest, "study.form": form, "study.label": values["label"],
                "study.task": title.partition(" on ")[2], "study.trial": values["provenance"]["trial_key"],
                "study.validation_mean": str(values["validation"]["mean"]),
                **({"study.test_mean": str(values["test"]["mean"])} if values["test"] else {}),
            }  # fmt: skip
            made = self._make(folder, run_id, tags, card)
        return Version(str(made.version), title, file.name, form)

    def crown(
        self, versions: list[Version], exports: list[dict[str, Any]], axes: list[str]
    ) -> tuple[list[Version], list[str]]:
        """The versions with the aliases that they have now, and a sentence about every tie; `axes` tell tasks apart."""
        crowned, ties = list(versions), []
        for alias, (first, *others) in champions(exports, axes).items():
            if others:
                tied = listed([exports[index]["label"] for index in (first, *others)])
                mean = exports[first]["validation"]["mean"]
                ties.append(
                    f"{alias}: {tied} tie at a validation mean of {mean:.4f}; "
                    f"{exports[first]['label']} has the alias because it comes first in the study"
                )
            crowned[first] = replace(versions[first], aliases=(alias,))
            with self._asked():
                self.client.set_registered_model_alias(self.model, alias, versions[first].version)
        if axes:
            self._uncrown()
        return crowned, ties

    def _uncrown(self) -> None:
        """Take away the `champion` that the study had while it had one task."""
        with self._asked():
            for model in self.client.search_registered_models(f"name = '{self.model}'"):
                if CHAMPION in model.aliases:
                    self.client.delete_registered_model_alias(self.model, CHAMPION)

    def _versions(self) -> list[Any]:
        if not self.model:
            return []
        with self._asked():
            return list(self.client.search_model_versions(f"name = '{self.model}'"))

    def _make(self, folder: Path, run_id: str, tags: dict[str, str], card: str) -> Any:
        """Upload and register; what was begun is taken back where a step fails."""
        with self._asked():
            source = f"{self.client.get_run(run_id).info.artifact_uri}/{folder.name}"
            new = not self.model
            if new:
                self.model = make_model(self.client, self.owner)
            try:
                self.client.log_artifacts(run_id, str(folder), folder.name)
                return self.client.create_model_version(self.model, source, run_id=run_id, tags=tags, description=card)
            except BaseException:
                with suppress(Exception):
                    _delete_artifacts(source, self.uri)
                if new:
                    with suppress(Exception):
                        self.client.delete_registered_model(self.model)
                        self.model = ""
                raise

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except StudyError:
            raise
        except Exception as problem:  # whatever a store can raise
            said = in_a_line(problem, self.uri)
            raise StudyError(
                f"MLflow at {redacted(self.uri)}: {said}; registered before this stays, the same command goes on"
            ) from None


def _save(network: Deployed, described: dict[str, Any], folder: Path, title: str) -> str:
    """Write MLflow's form of a network into a new folder, and try it; which form it is.

    As a traced program, which runs without the network's code; a network that cannot be traced, or then gives other
    logits, as a pickle.
    """
    import mlflow.pytorch
    import numpy as np
    import torch
    from mlflow.models.signature import ModelSignature
    from mlflow.types import Schema, TensorSpec

    shape = described["shape"]
    raw = TensorSpec(np.dtype(np.uint8), (-1, *shape))
    signature = ModelSignature(
        inputs=Schema([raw]), outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(described["classes"])))])
    )
    examples = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(examples))
    said = ""
    for form in ("pt2", "pickle"):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            mlflow.pytorch.save_model(
                network, str(folder), signature=signature, input_example=examples[:2],
                serialization_format=form, pip_requirements=_requirements(form),
            )  # fmt: skip
            loaded = mlflow.pytorch.load_model(str(folder))
            with torch.no_grad():
                given = torch.cat([loaded(torch.from_numpy(part)) for part in (examples[:1], examples[1:])])
            torch.testing.assert_close(given, expected)
        except Exception as problem:  # whatever tracing somebody's network raises
            said = str(problem).strip().partition("\n")[0][:200] or type(problem).__name__
            continue
        return form
    raise StudyError(f"{title}: MLflow cannot save its network: {said}; nothing was registered of it")


def _requirements(form: str) -> list[str]:
    from study.records.environment import package_versions

    found = package_versions()
    names = PACKAGES if form == "pt2" else (*PACKAGES, "torchvision", "loss-study")
    return [f"{name}=={found[name]}" for name in names if found[name] != "not installed"]


def _beside(file: Path, values: dict[str, Any]) -> list[Path]:
    """The exported file and what lies beside it."""
    names = [values["weights"]["file"], values["input"].get("file"), file.with_suffix(".md").name]
    return [file, *(beside(file, name) for name in names if name)]


def _delete_artifacts(address: str, uri: str) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(address, tracking_uri=uri).delete_artifacts()


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow and torch.export talk much while they work; whatever goes wrong is said by us."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "torch.export", "torch._export")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)

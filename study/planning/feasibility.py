"""What only data and networks can say of a plan: refused before a trial is started, not in each of its trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.errors import PlacedStudyError, StudyError
from study.planning.hang import ended_after
from study.planning.plan import Cell, Config, Plan, Task, resolve_training
from study.spec import MAX_CONFIGS
from study.spec.spaces import points_of
from trainables.data.datasets import Images, load_pool
from trainables.losses.families import Blocks, Similarity, get_family
from trainables.metrics.catalogue import METRICS
from trainables.metrics.classes import Classes
from trainables.models import check_fits, get_model
from trainables.models.lone_image import check_last_batch
from trainables.normalisation import check_images
from trainables.own import is_own
from trainables.similarity import SIMILARITIES, parse


def check_feasible(plan: Plan, cache: Path) -> None:
    """StudyError for a metric that a data set does not have, images that a network, an augmentation or a normalisation
    cannot take, batches that leave one image alone where BatchNorm needs two, a similarity that cannot be made for a
    task's classes, a block that a network does not have, and more configs than anyone would train.
    """
    for task in _tasks(plan):
        pool = load_pool(task.source, cache)
        _check_metric(plan.spec.select.metric, pool)
        try:
            check_fits(**task.model.completed, image_shape=pool.image_shape, num_classes=pool.num_classes)
            _check_inputs(resolve_training(plan.spec.training, {}, task), pool)
            for batch_size in _batch_sizes(plan, task):
                check_last_batch(task.model.completed, pool.image_shape, pool.num_classes, task.num_train, batch_size)
        except ValueError as problem:
            raise StudyError(f"{task.title}: {problem}") from None
    for cell in plan.cells:
        if (size := cell.proposer().size) > MAX_CONFIGS:
            raise StudyError(
                f"{cell.name}: {size} configs are more than {MAX_CONFIGS}; shorten its grids, or set search.configs"
            )
        try:
            _check_cell(cell, cache)
        except ValueError as problem:
            raise StudyError(f"{cell.name} on {cell.task.title}: {problem}") from None


def check_budget(plan: Plan) -> None:
    """PlacedStudyError where `search.epochs` does not pay for one training of every family, as long as each can be."""
    budget, longest = plan.spec.search.epochs, max(plan.cells, key=lambda cell: cell.most_epochs)
    if budget is not None and budget < longest.most_epochs:
        raise PlacedStudyError(
            ("search", "epochs"),
            f"{budget} is less than one training of {longest.name} on {longest.task.title}, which takes up to "
            f"{longest.most_epochs} epochs; --set search.epochs={longest.most_epochs}, or more",
        )


def doubts(plan: Plan) -> list[str]:
    """What can be run as it is asked for, and was hardly meant so; a sentence each."""
    sentences = [
        f"{task.dataset.title}: batches of {batch_size} are more than its {task.num_train} training images, so that an "
        "epoch is a single step"
        for task in _tasks(plan)
        for batch_size in _batch_sizes(plan, task)
        if batch_size > task.num_train
    ]
    return list(dict.fromkeys(sentences))


def _tasks(plan: Plan) -> list[Task]:
    return list({cell.task.title: cell.task for cell in plan.cells}.values())


def _batch_sizes(plan: Plan, task: Task) -> list[int]:
    """Those that its cells train with, as far as they can be listed."""
    sizes: set[int] = set()
    for cell in plan.cells:
        if cell.task.title == task.title:
            value = cell.space.get("training.batch_size", plan.spec.training.batch_size)
            sizes.update(points_of(value))
    return sorted(sizes)


def _check_metric(metric: str, pool: Images) -> None:
    known = [each.name for each in Classes.of(pool).metrics if each.selects]
    if metric not in known:
        raise StudyError(
            f"select.metric = {metric} is for {METRICS[metric].needs}, which data set '{pool.name}' does not have; "
            f"it has {', '.join(known)}"
        )


def _check_cell(cell: Cell, cache: Path) -> None:
    family = get_family(cell.family.family)
    if is_own(family.name) and not family.attaches_modules:  # which takes a list of logits
        _check_own_loss(cell, cache)
    for key, kind in family.hyperparameters.items():
        value = cell.space.get(key, kind.default)
        for point in points_of(value):
            if isinstance(kind, Similarity):
                _check_similarity(kind, point, cell, cache)
            elif isinstance(kind, Blocks) and not _has_blocks(cell.task.model.name, point):
                _check_blocks(point, cell, cache)


def _check_own_loss(cell: Cell, cache: Path) -> None:
    """ValueError for a user's loss that cannot be made or called, or gives no value for each image."""
    import torch

    from trainables.data.task import load_task
    from trainables.engine.resolve import trial_loss

    params = cell.proposer().ask()
    assert params is not None, "a cell has at least one config"
    trial = Config(cell, 0, params).trial(0)
    data = load_task(trial["dataset"], trial["split"], trial["noise"], cache)
    limit_s = cell.spec.resources.timeout_s
    try:
        with ended_after(limit_s, hanging(cell, f"its loss of 3 images takes longer than {limit_s:g} s")):
            loss = trial_loss(trial["loss"], trial["model"], data)
            logits = torch.zeros(3, data.pool.num_classes, dtype=torch.float64, requires_grad=True)
            places = torch.arange(3)
            values = loss(logits, places % data.pool.num_classes, places, reduction="none")
            shape = tuple(values.shape)
    except StudyError:
        raise
    except Exception as problem:  # whatever the user's code raises
        raise ValueError(f"family '{cell.family.family}': {type(problem).__name__}: {problem}") from None
    if shape != (3,):
        raise ValueError(
            f"family '{cell.family.family}': its loss of 3 images has shape {list(shape)}, not [3]; "
            f"'study families {cell.family.family} --check' says more"
        )


def hanging(cell: Cell, what: str) -> str:
    """The sentence on a cell of which something takes longer than `resources.timeout_s`."""
    where = f"{cell.name} on {cell.task.title}"
    return f"{where}: {what} (resources.timeout_s), so it is taken to hang; mend it, or raise that"


def _check_inputs(training: dict[str, Any], pool: Images) -> None:
    check_images(training["normalise"]["name"], pool)
    if training["augment"]:
        from trainables.engine.augmenting import check_augment  # brings torch, for which most studies need not wait

        check_augment(training, pool.image_shape)


def _check_similarity(kind: Similarity, value: Any, cell: Cell, cache: Path) -> None:
    if value in kind.without_options or "images" in SIMILARITIES[parse(value)["name"]].needs:
        return
    from trainables.similarity.fit import fit  # brings scipy, for which most studies need not wait

    names = load_pool(cell.task.source, cache).class_names
    fit(value, num_classes=len(names), class_names=names, contract="likeness" if kind.raw else "target")


def _has_blocks(model: str, modules: str) -> bool:
    """Whether a network has the blocks without looking: each has a last one, and the catalogue's state all."""
    return modules == "last" or (modules == "all" and get_model(model).smallest_side > 0)


def _check_blocks(modules: str, cell: Cell, cache: Path) -> None:
    from trainables.models import make_model
    from trainables.models.attached import chosen_blocks

    pool = load_pool(cell.task.source, cache)
    described = cell.task.model.completed
    chosen_blocks(make_model(**described, image_shape=pool.image_shape, num_classes=pool.num_classes, seed=0), modules)

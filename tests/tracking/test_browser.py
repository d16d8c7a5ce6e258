"""MLflow's pages of a study as a user sees them, in a real browser without a window."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from study.records.ledger import Ledger
from study.report import write_report
from study.tracking.links import run_links
from study.tracking.mlflow_page import VIEW_TAG, view_tags
from study.tracking.mlflow_report import show_report
from study.tracking.mlflow_view import MlflowView
from tests.launch.conftest import free_port, started
from tests.study.conftest import SpecMaker
from tests.study.trained import Trained, train

CHROMIUM = shutil.which("chromium")
CURVE = (0xD5, 0x5E, 0x00)  # of noisy labels
ATTEMPTS = 3  # a machine with other work may be too slow for a page's time

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt install chromium)"),
]


@dataclass(frozen=True)
class Browser:
    """Opens pages of one server."""

    address: str
    scratch: Path

    def text(self, page: str, *expected: str) -> str:
        """What a page says and links to, once it says all that is expected."""
        said = ""
        for _ in range(ATTEMPTS):
            said = html.unescape(self._run(page, "--dump-dom").decode())
            if all(each in said for each in expected):
                return said
        lacking = [each for each in expected if each not in said]
        words = re.sub(r"\s+", " ", re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", said, flags=re.DOTALL))
        raise AssertionError(f"{page} does not say {lacking}; it says {words[:3000]}")

    def pixels(self, page: str) -> np.ndarray:
        """A picture of a page, `[height, width, 3]`."""
        from matplotlib.image import imread

        shot = self.scratch / "shot.png"
        self._run(page, f"--screenshot={shot}")
        return np.round(imread(shot)[..., :3] * 255).astype(int)

    def _run(self, page: str, *options: str) -> bytes:
        assert CHROMIUM is not None
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1800,1400",
            f"--user-data-dir={self.scratch / 'profile'}", "--virtual-time-budget=20000", *options,
            f"{self.address}/#{page}",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    """A tracked study with its report."""
    spec = make_spec(
        families=["ce", {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.5]}}}],
        noise__rate=0.4,
        training__epochs=3,
        tracking={"enabled": True},
    )
    found = train(tmp_path_factory.mktemp("home"), spec)
    found.paths.study_file.write_text("name: small\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Ledger(found.paths.ledger, write=True) as ledger:
            MlflowView(found.home.mlflow_uri, found.paths, found.home, ledger).level(hurry=True)
        assert show_report(found.home, found.paths, write_report(found.home, found.paths)) is None
    return found


@pytest.fixture(scope="module")
def browser(study: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    address = f"http://127.0.0.1:{(port := free_port())}"
    store = ("--backend-store-uri", study.home.mlflow_uri)
    with started(f"{address}/health", "mlflow", "server", *store, "--port", str(port), "--workers", "1"):
        yield Browser(address, tmp_path_factory.mktemp("browser"))


def page_of(study: Trained, label: str) -> str:
    """The page of a family's cell, as the report links to it."""
    with study.ledger() as ledger:
        links = run_links(ledger, study.home)
        (key,) = [key for key, facts in ledger.cells() if facts["label"] == label]
    assert links is not None
    return links.address_of(links.runs[key]).partition("#")[2]


def table_of(study: Trained, view: str, more: str = "") -> str:
    with study.ledger() as ledger:
        links = run_links(ledger, study.home)
    assert links is not None
    return links.table.partition("#")[2].removesuffix("cells") + view + more


NAMES = [f"tce alpha={alpha} η=0.4 seed {seed}" for alpha in ("0.5", "1.5") for seed in (0, 1)]


def test_the_table_of_trials_has_names_for_humans_and_the_columns_that_matter(study: Trained, browser: Browser) -> None:
    columns = ("best_epoch", "best_val_accuracy_noisy", "val_accuracy_clean", "alpha", "repeat")
    said = browser.text(table_of(study, "trials"), "Trials, best first", *NAMES, "ce η=0.4 seed 1", *columns)
    assert "6 matching runs" in re.sub(r"<[^>]+>", "", said)
    assert "tce · η=0.4" not in said


def test_the_table_of_cells_has_each_familys_best_config(study: Trained, browser: Browser) -> None:
    said = browser.text(
        table_of(study, "cells"), "tce · η=0.4 · digits", "ce · η=0.4 · digits", "best_mean", "best_sd", "study.best"
    )
    assert "seed 0" not in said


def columns_of(page: str) -> list[str]:
    """The columns of a table of runs, from left to right."""
    headers = [cell for cell in re.findall(r"<div[^>]*>", page) if 'role="columnheader"' in cell and "col-id=" in cell]
    placed = {
        int(re.findall(r'aria-colindex="(\d+)"', cell)[0]): re.findall(r'col-id="([^"]*)"', cell)[0] for cell in headers
    }
    return [placed[index] for index in sorted(placed)]


def test_the_columns_that_matter_stand_first_and_those_of_mlflow_after_them(study: Trained, browser: Browser) -> None:
    with study.ledger() as ledger:
        views = view_tags(ledger, 0, {})
    for name in ("cells", "trials"):
        wanted = json.loads(json.loads(views[f"{VIEW_TAG}{name}"])["state"])["selectedColumns"]
        shown = columns_of(browser.text(table_of(study, name), "col-id=", "study.label", wanted[2].split("`")[1]))
        begin = shown.index(wanted[0])
        assert shown[begin : begin + len(wanted)] == wanted


def test_the_page_on_which_mlflow_opens_leads_to_the_tables(study: Trained, browser: Browser) -> None:
    opened = table_of(study, "cells").partition("&viewStateShareKey")[0]
    said = browser.text(opened, "Run Name", "Tables:", "Report of the study")
    assert "attributes.`Source`" in (columns := columns_of(said))  # MLflow's own choice
    assert not any("best_mean" in column for column in columns)
    (cells, trials) = re.findall(r'<a[^>]*href="#(/[^"]*viewStateShareKey=[^"]*)"', said)
    assert "metrics.`best_mean`" in columns_of(browser.text(cells, "study.best"))
    assert "metrics.`best_epoch`" in columns_of(browser.text(trials, "study.config"))


def test_a_parent_shows_its_children_its_tags_and_the_way_to_the_report(study: Trained, browser: Browser) -> None:
    tags = ("study.family", "study.cell", "study.phase", "study.best_config")
    said = browser.text(page_of(study, "tce"), "Child runs", *NAMES, *tags, "best_mean", "Report of the study")
    (report,) = re.findall(r'<a[^>]*href="#(/[^"]*report\.html[^"]*)"', said)
    assert "ce η=0.4 seed 1" not in re.sub("tce[^<]*", "", said)
    browser.text(report, "report · small", "report.html")


def test_a_chart_over_the_children_has_a_curve_of_each(study: Trained, browser: Browser) -> None:
    said = browser.text(table_of(study, "trials", "&compareRunsMode=CHART"), "Model metrics", "js-plotly-plot", *NAMES)
    assert "scatterlayer" in said


def test_an_artifact_picture_is_seen(study: Trained, browser: Browser) -> None:
    path, _, query = page_of(study, "tce").partition("?")
    page = f"{path}/artifacts/curves.png?{query}"
    browser.text(page, "curves.png", "confusion.png", "noise.png")
    for _ in range(ATTEMPTS):
        seen = (np.abs(browser.pixels(page) - np.array(CURVE)).max(axis=-1) < 12).sum()
        if seen:
            break
    assert seen > 50

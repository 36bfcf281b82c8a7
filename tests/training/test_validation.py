"""Validation: the scores, the best checkpoint, and stopping early."""

import copy
import functools
import json
import math
import shutil

import pytest
import torch

from toolkit.checkpoints import checkpoints, load_part, read_metadata
from toolkit.component import Component, Context, Options
from toolkit.contracts import figures
from toolkit.discovery import installed
from toolkit.errors import DataError
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit.specs import Selection
from toolkit.training import loop
from toolkit.training.data import Pairs
from toolkit.training.validation import BEST, Validation

SCORES = []
"""What the metrics of these tests return: a mean for each validation to come."""
PHOTOGRAPHS = 3


class Told:
    """Returns the next of `SCORES` for all photographs of a validation."""

    needs_reference, fingerprint = False, {"version": "1"}

    def __init__(self, direction):
        self.direction, self.calls = direction, -1

    def __call__(self, sr, hr=None):
        assert hr is None
        self.calls += 1
        if not self.calls:  # whether it works at all
            return torch.zeros(len(sr))
        value = SCORES.pop(0) if self.calls % PHOTOGRAPHS == 0 else SCORES[0]
        return torch.full((len(sr),), float(value))


class Mean(Told):
    """The mean of the restored image, which must be in [0, 1]."""

    def __call__(self, sr, hr=None):
        assert hr is None
        assert 0 <= sr.min() <= sr.max() <= 1
        return sr.mean((1, 2, 3))


REGISTRY = copy.deepcopy(installed())
REGISTRY.add("tests", [
    Component(kind="metric", name=name, summary="", options=Options,
              build=lambda _options, _context, make=make: make())
    for name, make in {"low": functools.partial(Told, "lower"), "mean": lambda: Mean("lower"),
                       "high": functools.partial(Told, "higher")}.items()
])  # fmt: skip


@pytest.fixture(autouse=True)
def no_scores_are_left():
    SCORES.clear()
    yield
    assert not SCORES


@pytest.fixture
def recipe(photo_folder):
    def make(metrics="low", **train):
        plan = {"steps": 4, "batch": 1, "crop": 32, "device": "cpu", "sample_every": 0, "keep": 9,
                "validate_every": 1, "validate_on": f"folder:{photo_folder}", "validate_crop": 48,
                "validate_metrics": metrics, "precision": "float32"}  # fmt: skip
        tables = {"gen": {"use": "one-step", "lora_rank": 2}, "disc": "none", "loss": "mse",
                  "data": f"folder:{photo_folder}", "train": plan | train}  # fmt: skip
        return resolve(tables, REGISTRY)

    return make


@pytest.fixture
def trained(tmp_path, recipe):
    def train(scores=(), name="run", stop=(), **options):
        SCORES[:] = scores
        run, reports, stops = Run(tmp_path / name), [], iter(stop)
        outcome = loop.train(
            run, recipe(**options), REGISTRY,
            on_step=reports.append, should_stop=lambda: next(stops, False),
        )  # fmt: skip
        return run, outcome, reports

    return train


def record(run):
    return [json.loads(line) for line in run.validation_log.read_text().splitlines()]


def step_of(path):
    return int(read_metadata(path)["step"])


def weights(path):
    return load_part(path, "generator")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(t, other[n]) for n, t in one.items())


def by_hand(generator, plan, names):
    """The means of metrics over one crop of each photograph."""
    context = Context(REGISTRY, plan.backbone)
    folder = REGISTRY.make("dataset", plan.data, context)
    pairs = Pairs(folder, context.make("degradation", plan.degradation), 48, plan.train.seed)
    found = {name: [] for name in names}
    for number in range(PHOTOGRAPHS):
        lr, hr = pairs.sample(number)[:2]
        with torch.no_grad():
            sr = generator.predict(lr).image.clamp(0, 1)
        for name in names:
            metric = (
                REGISTRY.make("metric", Selection(use=name), context) if name != "mean" else None
            )
            score = figures(metric, sr, hr) if metric else sr.mean()
            found[name].append(score.item())
    return {name: sum(each) / PHOTOGRAPHS for name, each in found.items()}


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_scores_are_the_metrics_means_over_the_same_crops(trained, recipe, ema):
    names = ("psnr-y", "ssim-y", "mean")
    options = {"metrics": names, "ema": ema, "steps": 3, "validate_every": 2, "lr": 1e-2}
    run, _, reports = trained(**options, checkpoint_every=1)
    plan = recipe(**options)
    assert [bool(each.scores) for each in reports] == [False, True, True]
    assert [{"step": each.step, **each.scores} for each in reports[1:]] == record(run)
    assert [line["step"] for line in record(run)] == [2, 3]  # regularly, and after the last
    for path, line in zip(checkpoints(run.checkpoints)[1:], record(run), strict=True):
        generator = run.generator(REGISTRY, path)
        assert {"step": line["step"], **by_hand(generator, plan, names)} == pytest.approx(line)
    if ema:  # the weights that are trained score otherwise
        generator.load_state(load_part(path, "generator.trained"))
        assert by_hand(generator, plan, names) != pytest.approx(line, rel=1e-4)


def test_validating_does_not_change_the_training(trained):
    with_it, _, _ = trained(metrics=("psnr-y",), ema=0.5)
    without, _, _ = trained(name="without", validate_every=0, ema=0.5)
    assert not without.validation_log.exists()
    assert not (without.checkpoints / BEST).exists()
    for part in ("generator", "generator.trained", "generator.optimizer"):
        one, other = (load_part(run.latest(), part) for run in (with_it, without))
        assert same(one, other)


@pytest.mark.parametrize(
    ("metric", "scores", "best", "keep"),
    [
        ("low", [3, 1, 2, 1], 2, 9),  # the first of the best
        ("high", [3, 1, 4, 2], 3, 9),
        ("low", [1, 2, 3, 4], 1, 1),
        ("high", [1, 2, 3, 4], 4, 9),
        ("low", [math.nan, 2, 1, math.inf], 3, 1),
        ("high", [math.nan, 2, 1, math.nan], 2, 9),
    ],
)
def test_the_best_checkpoint_is_that_of_the_best_step(trained, metric, scores, best, keep):
    run, outcome, _ = trained(scores, metrics=metric, keep=keep)
    assert (outcome.best, outcome.early, outcome.stopped) == (best, False, False)
    assert step_of(run.checkpoints / BEST) == best
    assert len(checkpoints(run.checkpoints)) <= keep
    if keep == 9:
        path = run.checkpoints / f"step-{best:07d}.safetensors"
        assert path.read_bytes() == (run.checkpoints / BEST).read_bytes()
        steps = {step_of(each) for each in checkpoints(run.checkpoints)}
        improved = {n + 1 for n, each in enumerate(scores) if math.isfinite(each)
                    and all((each < one) if metric == "low" else (each > one)
                            for one in scores[:n] if math.isfinite(one))}  # fmt: skip
        assert steps == improved | {4}
    generator = run.generator(REGISTRY, run.checkpoints / BEST)
    assert same(generator.state(), weights(run.checkpoints / BEST))
    json.loads(run.validation_log.read_text().splitlines()[0], parse_constant=pytest.fail)


def test_without_any_score_there_is_no_best(trained):
    run, outcome, _ = trained([math.nan] * 4)
    assert outcome.best is None
    assert not (run.checkpoints / BEST).exists()
    assert record(run) == [{"step": step} for step in (1, 2, 3, 4)]


def test_the_first_metric_decides(trained):
    run, outcome, _ = trained([3, 1, 2, 4], metrics=("low", "mean"))
    assert outcome.best == 2
    assert record(run)[0].keys() == {"step", "low", "mean"}


def test_patience_stops_early_and_resuming_changes_nothing(trained):
    run, outcome, reports = trained([3, 1, 2, 3], steps=9, patience=2)
    assert (outcome.step, outcome.early, outcome.stopped, outcome.best) == (4, True, False, 2)
    assert [each.step for each in reports] == [1, 2, 3, 4]
    assert step_of(run.latest()) == 4
    assert step_of(run.checkpoints / BEST) == 2
    before = {path: path.read_bytes() for path in run.folder.rglob("*.safetensors")}
    _, again, reports = trained(steps=9, patience=2)
    assert (again.step, again.early, again.best, reports) == (4, True, 2, [])
    assert {path: path.read_bytes() for path in run.folder.rglob("*.safetensors")} == before
    _, on, reports = trained([4, 0, 5, 5, 5], steps=9, patience=0)
    assert (on.step, on.early, on.best) == (9, False, 6)
    assert len(record(run)) == 9


def test_patience_counts_from_the_best_and_the_last_step_is_no_early_one(trained):
    _, outcome, _ = trained([3, 4, 2, 3], patience=2)
    assert (outcome.step, outcome.early) == (4, False)
    _, outcome, _ = trained([1, 2, 2, 3], name="other", patience=3)
    assert (outcome.step, outcome.early) == (4, False)


def test_a_resumed_run_remembers_the_best(trained):
    run, outcome, _ = trained([1, 2], stop=[False, True], keep=1)
    assert (outcome.stopped, outcome.step, outcome.best) == (True, 2, 1)
    _, outcome, _ = trained([3, 4], keep=1)
    assert (outcome.step, outcome.best) == (4, 1)
    assert step_of(run.checkpoints / BEST) == 1
    assert [line["low"] for line in record(run)] == [1, 2, 3, 4]


def test_scores_after_the_newest_checkpoint_are_forgotten(trained):
    run, _, _ = trained([3, 2, 1, 4])
    for path in checkpoints(run.checkpoints)[2:]:
        path.unlink()
    _, outcome, _ = trained([5, 6])
    assert [line["low"] for line in record(run)] == [3, 2, 5, 6]
    assert outcome.best == 2
    assert step_of(run.checkpoints / BEST) == 2


def test_a_kill_before_the_best_was_kept_is_made_up_for(trained):
    run, _, _ = trained([2, 1], stop=[False, True])
    shutil.copyfile(run.checkpoints / "step-0000001.safetensors", run.checkpoints / "other")
    (run.checkpoints / "other").replace(run.checkpoints / BEST)
    assert step_of(run.checkpoints / BEST) == 1
    _, outcome, _ = trained([3, 4])
    assert outcome.best == 2
    assert step_of(run.checkpoints / BEST) == 2


def test_without_links_the_best_is_a_copy(trained, monkeypatch):
    def refuse(*_paths):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    run, _, _ = trained([2, 1], steps=2)
    best, newest = run.checkpoints / BEST, run.checkpoints / "step-0000002.safetensors"
    assert best.read_bytes() == newest.read_bytes()
    assert not list(run.checkpoints.glob(".*"))


def test_images_that_a_metric_refuses_have_no_score(trained, monkeypatch):
    real = Validation._figures

    def figures_of(self, sr, hr):
        if sr is not hr:
            raise DataError("The restored image (sr) has values that are NaN or infinite")
        return real(self, sr, hr)

    monkeypatch.setattr(Validation, "_figures", figures_of)
    run, outcome, reports = trained(steps=1)
    assert math.isnan(reports[-1].scores["low"])
    assert (record(run), outcome.best) == ([{"step": 1}], None)


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_all_ranks_restore_equally_often_and_every_photograph(recipe, tmp_path, monkeypatch, size):
    shares = []

    class Ranks:
        first = False

        def __init__(self, rank):
            self.rank, self.size = rank, size

        def gather(self, value):
            shares.append(list(value))
            return [{number: {"low": 1.0} for number in range(PHOTOGRAPHS)}]

        def wait(self):
            pass

    class System:
        average = None

    monkeypatch.setattr(Validation, "_scores", lambda *_: {"low": 1.0})
    for rank in range(size):
        System.ranks = Ranks(rank)
        validation = Validation(recipe(), REGISTRY, Run(tmp_path / "run"))
        assert validation.score(System, 1) == {"low": 1.0}
    assert len({len(share) for share in shares}) == 1
    assert {number for share in shares for number in share} == set(range(PHOTOGRAPHS))
    assert sum(map(len, shares)) < PHOTOGRAPHS + size

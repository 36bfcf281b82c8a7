"""Separability of features, tested on photographs that the classifier has not seen."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from toolkit.figures.latents import Samples
from toolkit.figures.reducing import reduced, separability


def _samples(shift, photographs=8, each=6, by_photograph=0.0):
    """Real and generated features that differ by `shift`, and photographs by as much as named."""
    rng = np.random.default_rng(0)
    photograph = np.tile(np.repeat(np.arange(photographs), each), 2)
    real = np.repeat([1, 0], photographs * each)
    features = rng.normal(size=(len(real), 16))
    features[:, :4] += shift * real[:, None]
    features[:, 1:9] += by_photograph * np.eye(8)[photograph % 8]
    return Samples(features, real, photograph)


def test_what_differs_is_separable():
    found = separability(_samples(6.0))
    assert found.accuracy > 0.95
    assert found.low <= found.accuracy <= found.high
    assert (found.photographs, found.samples) == (8, 96)


def test_what_does_not_differ_is_not():
    found = separability(_samples(0.0))
    assert found.low <= 0.5 <= found.high + 0.1
    assert found.accuracy < 0.65


def test_classes_that_follow_the_photograph_are_not_learnt():
    """Each photograph's label is its own: with it in both folds, it could be learnt by heart."""
    samples = _samples(0.0, by_photograph=30.0)
    flipped = np.where(samples.photograph % 2, 1, 0)
    photographs_decide = Samples(samples.features, flipped, samples.photograph)
    assert separability(photographs_decide).accuracy < 0.75


@pytest.mark.parametrize("how", ["PCA", "LLE"])
def test_reductions_are_repeatable(how):
    samples = _samples(3.0)
    first, second = reduced(samples, how), reduced(samples, how)
    assert first.shape == (96, 2)
    assert (first == second).all()


def test_pca_shows_a_large_difference():
    points = reduced(_samples(30.0), "PCA")
    one, other = (points[_samples(30.0).real == real] for real in (0, 1))
    assert abs(one[:, 0].mean() - other[:, 0].mean()) > 1


@pytest.mark.slow
def test_umap_is_repeatable():
    pytest.importorskip("umap")
    samples = _samples(3.0)
    assert (reduced(samples, "supervised UMAP") == reduced(samples, "supervised UMAP")).all()


def test_without_umap_there_is_no_map(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert reduced(_samples(3.0), "supervised UMAP") is None

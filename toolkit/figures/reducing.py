"""Reduces features to two dimensions, and measures how separable two classes are."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.evaluation.statistics import bootstrap_interval

if TYPE_CHECKING:
    from toolkit.figures.latents import Array, Samples

REDUCTIONS = ("PCA", "supervised UMAP", "LLE")
NEEDS_UMAP = "needs umap-learn: pip install 'restoration-toolkit[umap]'"
_FOLDS = 5


@dataclass(frozen=True)
class Separability:
    """Cross-validated accuracy of a linear classifier.

    Attributes:
        accuracy: Mean over the photographs; 0.5 is chance.
        low: Lower end of the 95 % interval, over photographs.
        high: Its upper end.
        photographs: Number of photographs.
        samples: Number of crops, real and generated.
    """

    accuracy: float
    low: float
    high: float
    photographs: int
    samples: int


def separability(samples: Samples) -> Separability:
    """Tells real from generated crops by logistic regression, tested on other photographs.

    Scaling and PCA are fitted on the training folds alone.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    groups = sorted(set(samples.photograph.tolist()))
    folds = min(_FOLDS, len(groups))
    classifier = make_pipeline(
        StandardScaler(), PCA(0.95, svd_solver="full"), LogisticRegression(max_iter=2000)
    )
    predicted = cross_val_predict(
        classifier, samples.features, samples.real, groups=samples.photograph,
        cv=GroupKFold(folds),
    )  # fmt: skip
    right = predicted == samples.real
    means = [float(right[samples.photograph == group].mean()) for group in groups]
    accuracy = sum(means) / len(means)
    found = bootstrap_interval(means)
    low, high = found or (accuracy, accuracy)
    return Separability(
        round(accuracy, 4), round(low, 4), round(high, 4), len(groups), len(samples.real)
    )


def reduced(samples: Samples, how: str) -> Array | None:
    """Reduces features to `[n, 2]`; None if the library for it is not installed.

    Args:
        samples: The features; UMAP sees the classes, too, so that its map shows what it was told.
        how: One of `REDUCTIONS`.
    """
    from sklearn.preprocessing import StandardScaler

    features = StandardScaler().fit_transform(samples.features)
    neighbours = min(15, len(features) - 1)
    method: Any
    if how == "PCA":
        from sklearn.decomposition import PCA

        method = PCA(2, svd_solver="full")
        return _rounded(method.fit_transform(features))
    if how == "LLE":
        from sklearn.manifold import LocallyLinearEmbedding

        method = LocallyLinearEmbedding(
            n_neighbors=neighbours, n_components=2, eigen_solver="dense"
        )
        return _rounded(method.fit_transform(features) * len(features) ** 0.5)
    if importlib.util.find_spec("umap") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its libraries, about each other
        from umap import UMAP

        method = UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1)
        return _rounded(method.fit_transform(features, samples.real))


def _rounded(points: Any) -> Array:
    found: Array = points.astype(float).round(4)
    return found

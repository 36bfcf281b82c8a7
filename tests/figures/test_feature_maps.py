"""Contrast of feature maps, and the crop that is shown."""

import pytest
import torch

from toolkit.abilities import HasFeatureMaps
from toolkit.figures.crops import Crop
from toolkit.figures.feature_maps import contrast, most_detailed


def _half_textured():
    """Flat at the left, noise at the right."""
    image = torch.full((3, 64, 64), 0.5)
    image[:, :, 32:] = torch.rand(1, 64, 32, generator=torch.Generator().manual_seed(0))
    return image


def test_maps_that_answer_to_texture_have_contrast():
    image = _half_textured()
    maps = torch.full((4, 32, 32), 0.2)
    maps[:, :, 16:] = 0.6
    assert contrast(maps, image) == pytest.approx(3.0, rel=0.05)
    assert contrast(torch.ones(4, 32, 32), image) == 1.0


def test_the_crop_holds_both_flat_and_textured_parts():
    image = torch.full((3, 64, 192), 0.5)
    image[:, :, 96:] = torch.rand(1, 64, 96, generator=torch.Generator().manual_seed(0))
    assert most_detailed(image, 64)[0] == Crop(64, 0, 64)


@pytest.mark.weights
def test_edge_aware_losses_show_maps_of_image_and_edges():
    from toolkit.discovery import installed
    from toolkit.specs import Selection

    image = _half_textured()[None]
    plain, edge_aware = (
        installed().make("loss", Selection(use=name)) for name in ("dists", "ea-dists")
    )
    assert isinstance(plain, HasFeatureMaps)
    assert isinstance(edge_aware, HasFeatureMaps)
    own, both = plain.feature_maps(image), edge_aware.feature_maps(image)
    assert list(own) == ["image"]
    assert list(both) == ["image", "edges"]
    assert all((a == b).all() for a, b in zip(own["image"], both["image"], strict=True))
    assert [stage.shape for stage in both["edges"]] == [stage.shape for stage in own["image"]]

"""Exported pipelines: loaded by diffusers alone, they restore as the toolkit does."""

import ast
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

import toolkit
from toolkit.restoring.loaded import Loaded
from toolkit.restoring.tiles import WHOLE_PIXELS, fitting_tile, joined, restored_strips
from toolkit.streams import torch_stream
from toolkit_generators import custom_pipeline

CODE = Path(custom_pipeline.__file__).parent
CPU = torch.device("cpu")


def generator(backbone, **options):
    """One whose LoRA and embeddings do something."""
    made = toolkit.make("generator", "one-step", backbone=backbone, lora_rank=2, lora_alpha=6.0,
                        **options)  # fmt: skip
    rng = torch_stream(0, "weights")
    made.load_state({
        name: 0.05 * torch.randn(tensor.shape, generator=rng)
        for name, tensor in made.state().items()
    })  # fmt: skip
    return made


@pytest.fixture(scope="module")
def photo(photo_folder):
    pixels = cv2.imread(str(min(photo_folder.iterdir())))
    return Image.fromarray(cv2.cvtColor(pixels[20:46, 30:64], cv2.COLOR_BGR2RGB))


@pytest.fixture
def load(modules_cache):
    def load(folder, **options):
        pipe = DiffusionPipeline.from_pretrained(
            folder, custom_pipeline=str(folder), trust_remote_code=True, **options
        )
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return load


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("merged")
    generator("pocket").export(folder, "merged", "diffusers", "pocket")
    return folder


@pytest.fixture(scope="module")
def pocket():
    """The toolkit's own."""
    return Loaded(generator("pocket").as_restorer(), CPU)


def differs(made, expected):
    """The largest difference in levels of 8 bits, and the share of differing values."""
    made, expected = (np.asarray(each).astype(int) for each in (made, expected))
    assert made.shape == expected.shape
    assert expected.std() > 5
    return abs(made - expected).max(), (made != expected).mean()


@pytest.mark.parametrize(
    ("backbone", "form", "keys", "options"),
    [
        ("sd21:tiny", "diffusers", "diffusers", {}),
        ("sd21:tiny", "diffusers", "comfyui", {"timestep": 999}),
        ("sd21:tiny", "merged", "diffusers", {"posterior": "sample"}),
        ("sdxl:tiny", "merged", "diffusers", {}),
    ],
)
def test_it_restores_as_the_toolkit_does(
    load, photo, tmp_path, backbone, form, keys, options
):  # fmt: skip
    base, folder = tmp_path / "base", tmp_path / "made"
    networks = toolkit.make("backbone", backbone)
    networks.vae().save_pretrained(base / "vae")
    networks.unet().save_pretrained(base / "unet")
    folder.mkdir()
    generator(backbone, **options).export(folder, form, keys, str(base))
    pipe, ours = load(folder), Loaded(generator(backbone, **options).as_restorer(), CPU)
    for settings in ({}, {"tile": 16}):
        [made] = pipe(photo, **settings).images
        assert made.size == (136, 104)
        largest, share = differs(made, ours(photo, **settings))
        assert largest <= 1
        assert share < 1e-3


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        (lambda image: image.convert("L"), {}),
        (lambda image: image.convert("1"), {}),
        (lambda image: image.quantize(8), {"colour": "none"}),
        (lambda image: image.convert("RGBA"), {"strength": 0.5}),
        (lambda image: Image.merge("LA", [image.getchannel(0), image.getchannel(1)]), {"tile": 16}),
    ],
    ids=["grey", "black and white", "palette", "alpha", "grey and alpha"],
)
def test_pillow_images_of_every_kind(load, merged, pocket, photo, change, settings):
    image = change(photo)
    [made] = load(merged)(image, **settings).images
    expected = pocket(image, **settings)
    assert made.mode == expected.mode
    assert differs(made, expected)[0] <= 1


def test_grey_of_16_bits_becomes_grey(load, merged, pocket, photo):
    grey = photo.convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert wide.mode == "I;16"
    [made] = load(merged)(wide).images
    assert made.mode == "L"
    assert differs(made, pocket(grey))[0] <= 1


@pytest.mark.parametrize("size", [(257, 355), (256, 256)])
def test_its_tiles_are_those_of_the_toolkit(load, merged, monkeypatch, size):
    seen = {}

    class Repeat:
        name, scale = "repeat", 4

        def __init__(self, of):
            self.tiles = seen[of] = []

        def __call__(self, lr):
            self.tiles.append(lr.shape)
            return lr.repeat_interleave(4, 2).repeat_interleave(4, 3)

    pipe = load(merged)
    monkeypatch.setattr(type(pipe), "_restored", Repeat("pipe"))
    lr = torch.rand(1, 3, *size, generator=torch_stream(0, "lr"))
    [made] = pipe(lr, output_type="pt", colour="none").images
    height, width = size
    tile = fitting_tile(height, width, CPU)
    expected = joined(restored_strips(Repeat("toolkit"), lr, tile), 4 * height)[0]
    assert tile == (192 if height * width > WHOLE_PIXELS else 0)
    assert seen["pipe"] == seen["toolkit"]
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)


def test_orientation_is_applied_and_the_profile_kept(load, merged, pocket, photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "turned.png", exif=exif, icc_profile=b"profile")
    with Image.open(tmp_path / "turned.png") as turned:
        [made] = load(merged)(turned).images
        assert made.size == (104, 136)
        assert differs(made, pocket(turned))[0] <= 1
    assert made.info["icc_profile"] == b"profile"


def test_several_images_and_tensors(load, merged, photo):
    pipe = load(merged)
    small = photo.resize((16, 12))
    first, second = pipe([photo, small], return_dict=False)[0]
    assert (first.size, second.size) == ((136, 104), (64, 48))
    lr = torch.from_numpy(np.array(photo)).movedim(-1, 0)[None] / 255
    [sr] = pipe(lr, output_type="pt").images
    pixels = (255 * sr).round().byte().movedim(0, -1).numpy()
    assert (pixels == np.asarray(first)).all()


def test_half_precision_is_asked_for_by_dtype(load, merged, photo):
    expected = np.asarray(load(merged)(photo).images[0]).astype(int)
    pipe = load(merged, dtype=torch.bfloat16)
    assert {pipe.vae.dtype, pipe.unet.dtype, pipe.condition.dtype} == {torch.bfloat16}
    made = np.asarray(pipe(photo).images[0]).astype(int)
    assert 0 < abs(made - expected).mean() < 3


def test_mistakes_are_named(load, merged, photo, tmp_path):
    pipe = load(merged)
    for settings in ({"strength": 2}, {"tile": -1}, {"colour": "red"}, {"output_type": "np"}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            pipe(photo, **settings)
    generator("pocket").export(tmp_path, "diffusers", "diffusers", "pocket")
    with pytest.raises(ValueError, match="pass base=FOLDER"):
        load(tmp_path)
    (tmp_path / "unet" / "lora" / "pytorch_lora_weights.safetensors").unlink()
    with pytest.raises(ValueError, match="There is no LoRA in"):
        load(tmp_path, base=str(merged))


def test_its_code_imports_only_what_diffusers_brings():
    for path in CODE.glob("*.py"):
        imports = [node for node in ast.walk(ast.parse(path.read_text()))
                   if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
        names = {getattr(each, "module", None) or each.names[0].name for each in imports}
        others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
        assert others <= {"PIL", "diffusers", "numpy", "torch"}


@pytest.mark.slow
def test_it_restores_where_there_is_no_toolkit(merged, photo, tmp_path):
    photo.save(tmp_path / "photo.png")
    script = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, *_):
        if name.partition(".")[0].startswith("toolkit"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
from diffusers import DiffusionPipeline
from PIL import Image

pipe = DiffusionPipeline.from_pretrained(sys.argv[1], trust_remote_code=True)
with Image.open("photo.png") as photo:
    pipe(photo).images[0].save("restored.png")
assert not [name for name in sys.modules if name.startswith("toolkit")]
"""
    command = [sys.executable, "-c", script, str(merged)]
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=300)
    assert cv2.imread(str(tmp_path / "restored.png")).shape == (104, 136, 3)

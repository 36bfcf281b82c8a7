"""The node of ComfyUI: its schema, and that it restores as the toolkit does."""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from comfy import model_management
from comfy import utils as comfy_utils
from comfy_api.latest import ComfyExtension, io

import toolkit
from toolkit.plugin import bicubic_resize
from toolkit.streams import torch_stream
from toolkit_comfyui import restoring
from toolkit_comfyui.nodes import Extension, Restore, _restored
from toolkit_restorers.plugin import NEAREST_X2

FOLDER = Path(__file__).parents[3] / "plugins" / "comfyui"
SPANDREL = f"spandrel:{NEAREST_X2}"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    restoring.load.cache_clear()
    monkeypatch.setattr(comfy_utils, "PROGRESS_BAR_HOOK", None)


def defaults():
    kinds = Restore.INPUT_TYPES()
    every = kinds["required"] | kinds["optional"]
    return {name: told["default"] for name, (_, told) in every.items() if "default" in told}


def execute(image, **inputs):
    """As ComfyUI calls it."""
    with torch.inference_mode():
        return Restore.execute(image=image, **defaults() | inputs).result


def images(*shape):
    return torch.rand(*shape, generator=torch_stream(0, "images"))


def test_the_schema_is_one():
    schema = Restore.GET_SCHEMA()
    assert (schema.node_id, schema.category) == ("RestorationToolkitRestore", "image/upscaling")
    kinds = Restore.INPUT_TYPES()
    kind, told = kinds["required"]["restorer"]
    assert kind == "COMBO"
    known = {each.name for each in toolkit.components("restorer")}
    assert known - set(told["options"]) == {"lora-file", "spandrel"}  # which need a file
    assert told["options"][0] == told["default"] == "pocket"
    assert [each.io_type for each in schema.outputs] == ["IMAGE", "MASK"]
    assert set(kinds["optional"]) == {"precision", "source", "mask"}


def test_comfyui_loads_the_folder_by_its_path(monkeypatch):
    # The name that ComfyUI gives a package is its path.
    name = str(FOLDER).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, FOLDER / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    extension = asyncio.run(module.comfy_entrypoint())
    assert isinstance(extension, ComfyExtension)
    [node] = asyncio.run(extension.get_node_list())
    assert node.GET_SCHEMA().node_id == "RestorationToolkitRestore"
    for each in [each for each in sys.modules if each.startswith(f"{name}.")]:
        del sys.modules[each]


def test_the_installed_package_gives_the_same_nodes():
    assert asyncio.run(Extension().get_node_list()) == [Restore]


def test_a_batch_is_restored_as_the_toolkit_restores_each():
    batch = images(2, 20, 27, 3)
    made, mask = execute(batch, source=SPANDREL, tile=16, scale=1.5, strength=0.5)
    loaded = toolkit.load(SPANDREL, device="cpu")
    assert made.shape == (2, 30, 40, 3)
    for image, restored in zip(batch.numpy(), made, strict=True):
        expected = loaded(image, tile=16, scale=1.5, strength=0.5)
        np.testing.assert_array_equal(restored.numpy(), expected)
    assert (mask.shape, mask.max()) == ((2, 30, 40), 0)
    assert not made.is_inference()


def test_the_restorer_of_the_list_is_used_unless_a_source_is_named():
    batch = images(1, 6, 8, 3)
    named, _ = execute(batch, restorer="bicubic", colour="none")
    enlarged = bicubic_resize(batch.movedim(-1, 1), 4).clamp(0, 1).movedim(1, -1)
    torch.testing.assert_close(named, enlarged)
    other, _ = execute(batch, restorer="bicubic", source=f" {SPANDREL} ", max_side=12)
    assert other.shape == (1, 9, 12, 3)


def test_alpha_is_enlarged_and_gives_the_mask():
    batch = images(1, 8, 9, 4)
    made, mask = execute(batch, source=SPANDREL)
    assert made.shape == (1, 16, 18, 4)
    alpha = bicubic_resize(batch[None, ..., 3], 2).clamp(0, 1)[0]
    torch.testing.assert_close(made[..., 3], alpha)
    torch.testing.assert_close(mask, 1 - alpha)


@pytest.mark.parametrize("shape", [(8, 9), (1, 8, 9), (2, 64, 64)])
def test_a_mask_of_any_size_is_fitted(shape):
    made, mask = execute(images(2, 8, 9, 3), source=SPANDREL, mask=torch.ones(shape))
    assert mask.shape == made.shape[:3]
    torch.testing.assert_close(mask, torch.ones(2, 16, 18))


def test_values_outside_are_clamped_as_other_nodes_do():
    made, _ = execute(torch.full((1, 4, 4, 3), 1.2), restorer="bicubic")
    assert made.min() > 0.99
    assert made.max() <= 1


def test_progress_is_told_tile_by_tile_and_may_stop_it():
    told = []
    comfy_utils.set_progress_bar_global_hook(lambda *each, **_: told.append(each[:2]))
    execute(images(2, 20, 20, 3), restorer="bicubic", tile=12)
    assert told == [(done, 8) for done in range(1, 9)]

    def cancel(*_, **__):
        raise KeyboardInterrupt

    comfy_utils.set_progress_bar_global_hook(cancel)
    with pytest.raises(KeyboardInterrupt):
        execute(images(1, 20, 20, 3), restorer="bicubic", tile=12)


def test_a_restorer_is_loaded_once_and_a_trained_run_anew(tmp_path):
    for _ in range(2):
        execute(images(1, 4, 4, 3), restorer="bicubic")
    assert restoring.load.cache_info()[:2] == (1, 1)

    (tmp_path / "checkpoints").mkdir()
    before = Restore.fingerprint_inputs(source=str(tmp_path), restorer="pocket")
    checkpoint = tmp_path / "checkpoints" / "step-0000001.safetensors"
    checkpoint.touch()
    os.utime(checkpoint, (2e9, 2e9))
    assert Restore.fingerprint_inputs(source=str(tmp_path)) != before
    assert Restore.fingerprint_inputs() == Restore.fingerprint_inputs(source="hub:me/mine") == ""


def test_pocket_works_in_the_inference_mode_of_comfyui():
    batch = images(1, 12, 12, 3)
    first, _ = execute(batch)
    again, _ = execute(batch)
    assert torch.equal(first, again)
    expected = toolkit.load("pocket", device="cpu")(batch.numpy()[0])
    np.testing.assert_array_equal(first[0].numpy(), expected)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"restorer": "resshift"}, r"(?s)forbids.*toolkit weights fetch .* --accept-licence"),
        ({"source": "runs/none"}, r"(?s)no such restorer.*Name a run's folder"),
        ({"scale": 5.0, "restorer": "bicubic"}, r"(?s)4 times at most.*Use --scale 4"),
        ({"source": "spandrel:none.pth"}, r"none.pth"),
    ],
)
def test_mistakes_come_with_what_to_do(toolkit_home, inputs, told):
    with pytest.raises(RuntimeError, match=told):
        execute(images(1, 4, 4, 3), **inputs)


class Fake:
    """A restorer that tells where it was moved."""

    def __init__(self, told, error=None):
        self.told, self.error, self.restorer = told, error, self
        self.networks = {"net": torch.nn.Linear(8, 8, bias=False)}

    def to(self, device):
        self.told.append(device)
        return self

    def __call__(self, image, **_):
        if self.error:
            raise self.error
        return image


@pytest.mark.parametrize("error", [None, ValueError("broken")])
def test_a_gpu_is_left_to_others_between_executions(monkeypatch, error):
    told = []
    monkeypatch.setattr(model_management, "get_torch_device", lambda: torch.device("cuda", 1))
    monkeypatch.setattr(
        model_management, "free_memory", lambda count, device: told.append((count, str(device)))
    )
    monkeypatch.setattr(model_management, "soft_empty_cache", lambda: told.append("emptied"))
    try:
        _restored(Fake(told, error), images(1, 4, 4, 3), print, {})
    except ValueError:
        assert error
    (count, device), *rest = told
    assert (count - (2 << 30), device) == (8 * 8 * 4, "cuda:1")
    assert rest == ["cuda:1", "cpu", "emptied"]


def test_listing_does_not_load_torch():
    script = """
import sys
from toolkit_comfyui import comfy_entrypoint, restoring
assert "pocket" in restoring.restorers()
assert not {"torch", "numpy", "diffusers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_the_example_fits_the_schema():
    workflow = json.loads((FOLDER / "example_workflows" / "restore.json").read_text())
    nodes = {each["id"]: each for each in workflow["nodes"]}
    [own] = [each for each in nodes.values() if each["type"] == Restore.GET_SCHEMA().node_id]
    kinds = Restore.INPUT_TYPES()
    widgets = {
        name: told for name, told in (kinds["required"] | kinds["optional"]).items()
        if "default" in told[1]
    }  # fmt: skip
    for value, (kind, told) in zip(own["widgets_values"], widgets.values(), strict=True):
        assert isinstance(value, str) is (kind in ("COMBO", "STRING"))
        assert value in told.get("options", [value])
        assert told.get("min", value) <= value <= told.get("max", value)
    assert [each["type"] for each in own["outputs"]] == ["IMAGE", "MASK"]
    for link, start, out, end, into, kind in workflow["links"]:
        assert link in nodes[start]["outputs"][out]["links"]
        assert nodes[end]["inputs"][into]["link"] == link
        assert nodes[start]["outputs"][out]["type"] == nodes[end]["inputs"][into]["type"] == kind


@pytest.mark.skipif("COMFYUI" in os.environ, reason="the stub is stricter than ComfyUI")
@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([io.Int.Input("a", default=9, max=3)], "not in"),
        ([io.Float.Input("a", default=1)], "is no float"),
        ([io.Combo.Input("a", options=["x"], default="y")], "is no option"),
        ([io.Image.Input("a"), io.Mask.Input("a")], "not unique"),
        ([io.Image.Input("b")], "execute does not take b"),
        ([io.Image.Input("a", optional=True)], "execute needs it"),
        ([io.Image.Input("a b")], "no identifier"),
    ],
)
def test_the_stub_refuses_schemas_that_comfyui_stumbles_over(inputs, told):
    class Node(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Node", "A node", "image", inputs, [io.Image.Output("out")],
                             description="Does nothing")  # fmt: skip

        @classmethod
        def execute(cls, a):
            return io.NodeOutput(a)

    with pytest.raises(ValueError, match=told):
        Node.GET_SCHEMA()

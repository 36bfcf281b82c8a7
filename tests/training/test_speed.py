"""Options that trade precision, memory or time: what they change, and what they must not."""

import math
import sys
from functools import partialmethod

import pytest
import torch
from tiny_training import PARTS, assert_same, batch, build, recipe, train

from toolkit.abilities import networks_of
from toolkit.checkpoints import load_part
from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.recipe import Training, difference
from toolkit.training import loop, speed
from toolkit.training.speed import check_compiler, make_optimizer, matrix_precision
from toolkit.training.step import train_step


def gradients(trained, part):
    return {name: parameter.grad for name, parameter in trained.learners[part].parameters.items()
            if parameter.grad is not None}  # fmt: skip


def losses(trained, steps=2):
    return [train_step(trained, batch(), step).losses for step in range(steps)]


def assert_close(found, wanted, within):
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, rel=within)


class TestClip:
    @pytest.mark.parametrize("accumulate", [1, 2])
    def test_larger_gradients_are_scaled_down_to_the_norm(self, accumulate):
        free, clipped = build(accumulate=accumulate), build(accumulate=accumulate, clip=1e-3)
        figures = [train_step(each, batch(), 0) for each in (free, clipped)]
        assert figures[0].gradients == figures[1].gradients  # before clipping
        for part in ("generator", "discriminator"):
            whole = gradients(free, part)
            norm = math.sqrt(sum(each.double().square().sum().item() for each in whole.values()))
            assert norm > 1e-3
            assert figures[0].gradients[part] == pytest.approx(norm, rel=1e-5)
            for name, gradient in gradients(clipped, part).items():
                torch.testing.assert_close(gradient, whole[name] * 1e-3 / (norm + 1e-6))

    def test_smaller_ones_stay(self):
        free, clipped = build(), build(clip=100)
        for each in (free, clipped):
            train_step(each, batch(), 0)
        for part in ("generator", "discriminator"):
            whole = gradients(free, part)
            assert all(torch.equal(each, whole[n]) for n, each in gradients(clipped, part).items())


class TestOptimizer:
    def test_fused_is_close_and_resumes_exactly(self, tmp_path):
        assert_close(losses(build(fused=True), 3), losses(build(), 3), 1e-4)
        whole, log = train(tmp_path / "whole", fused=True)
        parts, again = train(tmp_path / "parts", fused=True, stop=2)
        assert log == again
        assert_same(whole, parts)

    def test_a_run_may_change_to_fused_and_back(self, tmp_path):
        run, _ = train(tmp_path / "run", steps=1)
        for steps, fused in ((2, True), (3, False)):
            plan = recipe(steps=steps, fused=fused)
            assert loop.train(run, plan, installed()).step == steps

    def test_eight_bits_resume_exactly(self, tmp_path):
        pytest.importorskip("bitsandbytes")
        options = {"optimizer": "adamw-8bit", "accumulate": 2, "ema": 0.9}
        whole, log = train(tmp_path / "whole", **options)
        parts, again = train(tmp_path / "parts", **options, stop=2)
        assert log == again
        assert_same(whole, parts, (*PARTS, "generator.trained"))
        moments = load_part(whole.latest(), "generator.optimizer")
        assert {each.dtype for each in moments.values()} >= {torch.uint8, torch.float32}
        assert all(moments[name].item() == 4 for name in moments if name.endswith(":step"))

    def test_without_its_library_it_says_what_to_type(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "bitsandbytes", None)
        with pytest.raises(UsageError, match="adamw-8bit needs bitsandbytes") as told:
            build(optimizer="adamw-8bit")
        assert "pip install bitsandbytes" in told.value.hint
        build(**dict([told.value.hint.rpartition("--set train.")[2].split("=")]))

    def test_where_there_is_no_fused_kernel_it_says_what_to_type(self, monkeypatch):
        real = torch.optim.AdamW

        def adamw(*given, fused=None, **more):
            if fused:
                raise RuntimeError("`fused=True` requires all the params to be …")
            return real(*given, **more)

        monkeypatch.setattr(torch.optim, "AdamW", adamw)
        with pytest.raises(
            UsageError, match=r"train\.fused=true does not work here: `fused"
        ) as told:
            build(fused=True)
        assert told.value.hint == "Leave it out: --set train.fused=false"
        build(fused=False)

    def test_the_rates_and_the_decay_are_the_settings(self):
        weight = {"a": torch.nn.Parameter(torch.ones(3))}
        for fused in (False, True):
            settings = Training(weight_decay=0.3, fused=fused)
            (group,) = make_optimizer(weight, 0.7, settings).param_groups
            assert (group["lr"], group["weight_decay"], bool(group["fused"])) == (0.7, 0.3, fused)


class TestLayout:
    def test_channels_last_gives_the_same_losses(self):
        trained = build(channels_last=True)
        assert_close(losses(trained), losses(build()), 1e-4)

    def test_shared_weights_stay_shared(self):
        trained = build(channels_last=True)
        unet = dict(networks_of(trained.generator)["unet"].named_parameters())
        trunk = dict(networks_of(trained.discriminator)["trunk"].named_parameters())
        shared = [name for name in trunk.keys() & unet.keys() if trunk[name] is unet[name]]
        assert len(shared) > 10
        laid = [each for each in unet.values() if each.ndim == 4 and min(each.shape[1:]) > 1]
        assert laid
        assert all(each.is_contiguous(memory_format=torch.channels_last) for each in laid)


class TestCompiling:
    def test_without_a_compiler_it_says_what_to_type(self, monkeypatch, tmp_path):
        def compiled(_function):
            def call(*_given):
                raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\n\nmore")

            return call

        monkeypatch.setattr(torch, "compile", compiled)
        with pytest.raises(UsageError) as told:
            train(tmp_path / "run", compile=True)
        assert str(told.value) == (
            "train.compile=true does not work here: "
            "InvalidCxxCompiler: No working C++ compiler found"
        )
        assert "--set train.compile=false" in told.value.hint
        assert not (tmp_path / "run").exists()
        train(tmp_path / "run", compile=False, steps=1)

    def test_only_those_who_ask_compile(self, monkeypatch):
        monkeypatch.setattr("toolkit.training.build.check_compiler", pytest.fail)
        trained = build()
        for part in (trained.generator, trained.discriminator):
            for network in networks_of(part).values():
                assert network._compiled_call_impl is None

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
    def test_compiled_networks_give_the_same_losses(self, monkeypatch):
        try:
            check_compiler(torch.device("cpu"))
        except UsageError as error:
            pytest.skip(str(error))
        # Tracing and its gradients are ours to test; code for processors takes minutes to generate.
        traced = partialmethod(torch.nn.Module.compile, backend="aot_eager")
        monkeypatch.setattr(torch.nn.Module, "compile", traced)
        trained = build(compile=True, disc="none", backbone="sd21:tiny", batch=1)
        assert networks_of(trained.generator)["unet"]._compiled_call_impl is not None
        plain = build(disc="none", backbone="sd21:tiny", batch=1)
        assert_close(losses(trained), losses(plain), 1e-3)
        assert trained.generator.state().keys() == plain.generator.state().keys()


def test_blocks_are_the_outermost_of_lists_and_none_is_none():
    inner = torch.nn.ModuleList([torch.nn.Linear(1, 1)])
    first, second = torch.nn.Sequential(inner), torch.nn.Linear(1, 1)
    network = torch.nn.Sequential(torch.nn.Linear(1, 1))
    network.list = torch.nn.ModuleList([first, None, second])
    assert list(speed.blocks([network])) == [first, second]


class TestMatrixPrecision:
    @pytest.mark.parametrize("before", ["highest", "medium"])
    @pytest.mark.parametrize("tf32", [False, True])
    def test_it_is_set_for_the_while(self, before, tf32):
        def state():
            return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

        original = state()
        try:
            torch.set_float32_matmul_precision(before)
            torch.backends.cudnn.allow_tf32 = False
            outside = state()
            within = []

            def work():
                with matrix_precision(Training(tf32=tf32)):
                    within.append(state())
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                work()
            assert within == [("high", True) if tf32 else outside]
            assert state() == outside
        finally:
            torch.set_float32_matmul_precision(original[0])
            torch.backends.cudnn.allow_tf32 = original[1]


CHANGE = {
    "steps": 9, "device": "cuda", "accumulate": 2, "shard": True, "fused": True, "compile": True,
    "channels_last": True, "prefetch": 5, "workers": 2, "max_bad_files": 0.5, "cache_latents": 7,
    "sample_every": 5, "checkpoint_every": 5, "keep": 5, "validate_every": 5, "patience": 5,
    "max_skipped_steps": 5, "track": "tensorboard",
}  # fmt: skip
"""What does not change a step, except for its rounding."""
STAY = {
    "batch": 4, "crop": 64, "seed": 1, "start": "pocket", "lr": 0.5, "disc_lr": 0.5,
    "schedule": "cosine", "weight_decay": 0.5, "ema": 0.5, "clip": 0.5, "precision": "bfloat16",
    "optimizer": "adamw-8bit", "tf32": True, "degrade_on": "device", "validate_on": "photos",
    "validate_crop": 64, "validate_metrics": "psnr",
}  # fmt: skip
"""What does, or makes scores incomparable."""


@pytest.mark.parametrize("option", Training.model_fields)
def test_what_may_change_when_a_run_is_resumed(option):
    value = (CHANGE | STAY)[option]
    told = difference(recipe(), recipe(**{option: value}))
    assert told == ([] if option in CHANGE else [f"train.{option}"])

"""Whole training steps, computed a second time from the equations.

The networks are the backbone's own, without peft: LoRA is added to their weights here. Losses and
gradients are computed in float64 at the weights that the system has before each step, and AdamW's
update is written out.
"""

import copy
import math

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

import toolkit
from toolkit.component import Component, Options
from toolkit.discovery import installed
from toolkit.images import bicubic_resize
from toolkit.modules import TrainableModule
from toolkit.recipe import resolve
from toolkit.streams import torch_stream
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.schedule import set_rates
from toolkit.training.step import train_step

BACKBONE, SEED, TIMESTEP, DECAY = "sd21:tiny", 5, 250, 0.1
OBJECTIVE = {"adversarial": 0.4, "discriminator": 0.25}
LOSSES = {"mse": 1.3, "l1": 0.7, "lattice": 0.3}
PATCH_NOISE = 0.2
GEN_ALPHA, DISC_ALPHA, RANK = 3.0, 5.0, 2


class PatchOptions(Options):
    shared_draws: bool = False


class Patches(TrainableModule):
    """Judges images, 4 px by 4 px, under noise."""

    judges = "images"

    def __init__(self, options, _context):
        super().__init__()
        self.net = torch.nn.Conv2d(3, 1, 4, stride=4)
        self.shared_draws = options.shared_draws

    def logits(self, x, rng):
        return self.net(x + PATCH_NOISE * torch.randn(x.shape, generator=rng))


REGISTRY = copy.deepcopy(installed())
REGISTRY.add("tests", [Component(kind="discriminator", name="patches", summary="In this file",
                                 build=Patches, options=PatchOptions)])  # fmt: skip


def recipe(disc="nad", *, shared=False, alone=0, latent=0.0, l1_crop=0, **train):
    lora = {"lora_rank": RANK, "lora_alpha": DISC_ALPHA} if disc != "patches" else {}
    tables = {
        "backbone": BACKBONE,
        "gen": {"use": "one-step", "lora_rank": RANK, "lora_alpha": GEN_ALPHA,
                "timestep": TIMESTEP},
        "disc": {"use": disc, "shared_draws": shared, **lora},
        "loss": {**LOSSES, "l1": {"weight": LOSSES["l1"], "crop": l1_crop}},
        "objective": {**OBJECTIVE, "latent": latent, "first_loss_steps": alone},
        "train": {"device": "cpu", "precision": "float32", "seed": SEED, "batch": 2, "steps": 8,
                  "lr": 4e-3, "disc_lr": 2e-3, "weight_decay": DECAY, **train},
    }  # fmt: skip
    return resolve(tables, REGISTRY)


def batch(step):
    hr = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(step))
    return Batch(F.avg_pool2d(hr, 4), hr)


class Networks:
    """What generator and discriminator are made of, frozen, in float64."""

    def __init__(self):
        backbone = toolkit.make("backbone", BACKBONE)
        self.vae, self.unet = backbone.vae().double(), backbone.unet().double()
        self.scaling, self.signal = backbone.latent_scaling, backbone.alphas_cumprod()
        self.unet.mid_block.register_forward_hook(self._keep)
        self.features = None

    def _keep(self, _module, _inputs, output):
        self.features = output

    def encode(self, images):
        return self.vae.encode(2 * images - 1).latent_dist.mode() * self.scaling

    def noise(self, z, t, learnt, prefix, alpha):
        """The UNet's output; its middle is in `features`. Weights are W + alpha / rank · BA."""
        weights = dict(self.unet.named_parameters())
        for name, second in learnt.items():
            if name.startswith(prefix) and name.endswith(".lora_B.weight"):
                first = learnt[name.replace("lora_B", "lora_A")]
                path = name.removeprefix(prefix).replace(".lora_B.weight", ".weight")
                change = torch.einsum("or,ri...->oi...", second.flatten(1), first)
                weights[path] = weights[path] + alpha / RANK * change
        text = learnt["text"].expand(len(z), -1, -1)
        arguments = {"encoder_hidden_states": text}
        return functional_call(self.unet, weights, (z, t), arguments).sample

    def predict(self, lr, learnt):
        """Eq. 1: image and latent."""
        z = self.encode(bicubic_resize(lr, 4))
        signal = self.signal[TIMESTEP]
        noise = self.noise(z, TIMESTEP, learnt, "unet.", GEN_ALPHA)
        z = (z - (1 - signal).sqrt() * noise) / signal.sqrt()
        return (self.vae.decode(z / self.scaling).sample + 1) / 2, z

    def judge(self, z, learnt, streams, disc, pool):
        """Logits of F(z, t) (eq. 4); t is uniform, zero, or of diffusion-GAN's pool."""
        count, one = len(z), (1, *z.shape[1:])
        if disc == "patches":
            noise = torch.cat([torch.randn(one, generator=rng) for rng in streams])
            noisy = z + PATCH_NOISE * noise
            return F.conv2d(noisy, learnt["net.weight"], learnt["net.bias"], stride=4)
        if disc == "nad":
            t = torch.cat([torch.randint(1000, (1,), generator=rng) for rng in streams])
        elif disc == "vanilla":
            t = torch.zeros(count, dtype=torch.long)
        else:
            t = pool[torch.cat([torch.randint(64, (1,), generator=rng) for rng in streams])]
        noise = torch.cat([torch.randn(one, generator=rng) for rng in streams]).double()
        signal = self.signal[t].view(-1, 1, 1, 1)
        noisy = signal.sqrt() * z + (1 - signal).sqrt() * noise
        if disc != "nad":  # no noise at all where t is 0
            noisy = torch.where((t == 0).view(-1, 1, 1, 1), z, noisy)
        self.noise(noisy, t, learnt, "trunk.", DISC_ALPHA)
        hidden = F.silu(F.conv2d(self.features, learnt["head.0.weight"], learnt["head.0.bias"]))
        return F.conv2d(hidden, learnt["head.2.weight"], learnt["head.2.bias"])


def lattice(prediction, target):
    """What repeats every 4 px, over the target's details: one window of 16 periods."""
    error, truth = ((x.unflatten(2, (16, 4)).unflatten(4, (16, 4))) for x in
                    (prediction - target, target))  # fmt: skip
    error, truth = (x - x.mean((3, 5), keepdim=True) for x in (error, truth))
    repeated = error.mean((2, 4)).square().mean((1, 2, 3))
    return repeated / (truth.square().mean((1, 2, 3, 4, 5)) + 1 / 255**2)


def shared(purpose, step):
    return torch_stream(SEED, f"draws of {purpose}", step)


def for_images(purpose, numbers):
    return [torch_stream(SEED, f"noise of {purpose}", number) for number in numbers]


def expected(networks, recipe, weights, step, pool):
    """Losses, gradients by part, and the verdicts on what is real, of one step (eqs. 1-4, 8)."""
    disc, same = recipe.disc.name, recipe.disc.options["shared_draws"]
    pieces, alone = recipe.train.accumulate, step < recipe.objective.first_loss_steps
    learnt = {part: {n: w.double().requires_grad_() for n, w in each.items()}
              for part, each in weights.items()}  # fmt: skip
    losses, totals, verdicts = {}, {"generator": 0.0, "discriminator": 0.0}, []
    for number, piece in enumerate(batch(step).split(pieces)):
        lr, hr = (each.double() for each in piece[:2])
        numbers = [2 * step + number * len(lr) + each for each in range(len(lr))]
        image, latent = networks.predict(lr, learnt["generator"])
        terms = {"mse": (LOSSES["mse"], (image - hr).square().mean())}
        if not alone:

            def judge(z, purpose, numbers=numbers):
                streams = for_images(purpose, numbers)
                return networks.judge(z, learnt["discriminator"], streams, disc, pool)

            made, original = latent, networks.encode(hr)
            if recipe.objective.latent:
                gap = (latent - original).square().mean()
                terms["latent"] = recipe.objective.latent, gap
            if disc == "patches":
                made, original = image, hr
            fooled = -judge(made, "generator").sigmoid().log().mean()
            gap = image - hr
            if side := recipe.loss["l1"].crop:
                top, left = (
                    int(torch.randint(65 - side, (), generator=shared(name, step)))
                    for name in ("top of losses", "left of losses")
                )
                gap = gap[..., top : top + side, left : left + side]
            terms["l1"] = LOSSES["l1"], gap.abs().mean()
            terms["lattice"] = LOSSES["lattice"], lattice(image, hr).mean()
            terms["adversarial"] = OBJECTIVE["adversarial"], fooled
            fake = judge(made.detach(), "fake").sigmoid()
            real = judge(original, "fake" if same else "real").sigmoid()
            own = -(1 - fake).log().mean() - real.log().mean()
            totals["discriminator"] += OBJECTIVE["discriminator"] * own / pieces
            losses["discriminator"] = losses.get("discriminator", 0) + own.item() / pieces
            verdicts.append(real.detach() - 0.5)
        for name, (_, loss) in terms.items():
            losses[name] = losses.get(name, 0) + loss.item() / pieces
        totals["generator"] += sum(weight * loss for weight, loss in terms.values()) / pieces
    gradients = {
        part: dict(zip(own, torch.autograd.grad(total, list(own.values())), strict=True))
        for part, own in learnt.items()
        if torch.is_tensor(total := totals[part])
    }
    return losses, gradients, verdicts


class AdamW:
    """The update of Loshchilov and Hutter (2019), with PyTorch's own constants."""

    def __init__(self, weights):
        self.weights = {name: weight.double() for name, weight in weights.items()}
        self.forget()

    def forget(self):
        self.count = 0
        self.first = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        self.second = {name: torch.zeros_like(w) for name, w in self.weights.items()}

    def step(self, gradients, rate):
        self.count += 1
        for name, weight in self.weights.items():
            gradient = gradients[name].double()
            self.first[name] = 0.9 * self.first[name] + 0.1 * gradient
            self.second[name] = 0.999 * self.second[name] + 0.001 * gradient**2
            mean = self.first[name] / (1 - 0.9**self.count)
            power = self.second[name] / (1 - 0.999**self.count)
            change = mean / (power.sqrt() + 1e-8) + DECAY * weight
            self.weights[name] = weight - rate * change


def share_of_rate(recipe, step):
    if recipe.train.schedule == "constant":
        return 1
    joined = recipe.objective.first_loss_steps
    since = step - joined if step >= joined else step
    return (since + 1) / 100 * (0.01 + 0.99 * (1 + math.cos(math.pi * step / 8)) / 2)


def close(found, wanted, within, what, rounding=0.0):
    """Compared with the largest value of its tensor: below that, float32 leaves but noise."""
    assert found.keys() == wanted.keys()
    largest = {name: value.abs().max().item() for name, value in wanted.items()}
    least = 1e-3 * max(largest.values())
    for name, value in found.items():
        difference = (value.double() - wanted[name]).abs().max().item()
        scale = max(largest[name], least)
        assert difference <= within * scale + rounding, f"{what} of {name}: {difference} of {scale}"


CASES = {
    "crops": ({"l1_crop": 24, "accumulate": 2}, 2),
    "all": ({"alone": 2, "schedule": "cosine", "ema": 0.3}, 5),
    "pieces": ({"accumulate": 2, "ema": 0.05}, 3),
    "shared": ({"shared": True, "accumulate": 2, "alone": 1}, 3),
    "vanilla": ({"disc": "vanilla"}, 2),
    "diffusion-gan": ({"disc": "diffusion-gan", "accumulate": 2}, 2),
    "latent": ({"latent": 0.6, "alone": 1}, 2),
    "images": ({"disc": "patches", "latent": 0.6, "accumulate": 2, "alone": 1}, 3),
    "images-shared": ({"disc": "patches", "shared": True}, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_gradients_and_weights_are_those_of_the_equations(case):
    options, count = CASES[case]
    plan = recipe(**options)
    system, networks = build_system(plan, REGISTRY), Networks()
    rates = {"generator": 4e-3, "discriminator": 2e-3}
    learners = system.learners
    assert learners.keys() == rates.keys()
    byhand = {part: AdamW(trained(learner))
              for part, learner in learners.items()}  # fmt: skip
    average = dict(byhand["generator"].weights)
    signs = 0.0
    for step in range(count):
        pool = system.discriminator.state().get("noising.pool")
        pool = None if pool is None else pool.clone()
        set_rates(system, plan, step)
        before = {part: trained(learner) for part, learner in learners.items()}
        losses, gradients, verdicts = expected(networks, plan, before, step, pool)
        found = train_step(system, batch(step), step).losses
        assert found == pytest.approx(losses, rel=1e-4)
        if step == plan.objective.first_loss_steps:
            byhand["generator"].forget()
        for part, wanted in gradients.items():
            own = {name: p.grad for name, p in learners[part].parameters.items()}
            close(own, wanted, 5e-2, f"{case} {step} {part} gradient")
            byhand[part].step(own, rates[part] * share_of_rate(plan, step))
        for part, hand in byhand.items():
            moved = {n: w - before[part][n] for n, w in trained(learners[part]).items()}
            wanted = {n: w - before[part][n].double() for n, w in hand.weights.items()}
            close(moved, wanted, 1e-3, f"{case} {step} {part} update", rounding=1e-7)
            hand.weights = {n: w.double() for n, w in trained(learners[part]).items()}
        kept = min(plan.train.ema, (1 + step) / (10 + step))
        for name, weight in byhand["generator"].weights.items():
            average[name] = kept * average[name] + (1 - kept) * weight
        signs += torch.cat(verdicts).sign().mean().item() if verdicts else 0
    assert (system.average is not None) == bool(plan.train.ema)
    if system.average:
        close(system.average.weights, average, 1e-5, f"{case} average")
    if case == "diffusion-gan":
        assert system.discriminator.state()["noising.signs"].item() == pytest.approx(signs)


def trained(learner):
    return {name: p.detach().clone() for name, p in learner.parameters.items()}

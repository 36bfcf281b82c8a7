"""A plugin whose every component is at fault; tests install it, and none imports it."""

import torch

import toolkit
from toolkit.component import Component
from toolkit.hookspecs import hookimpl
from toolkit.interfaces import Prediction, Sample

print("A word at the import.")


def raising(error):
    def build(_options, _context):
        raise error

    return build


class Part:
    direction, needs_reference, fingerprint = "higher", False, {"version": "1"}
    name, scale, skipped = "part", 4, ()

    def __init__(self, work):
        self.work = work

    def __call__(self, *images):
        print("A word at work.")
        return self.work(*images)

    def to(self, device):
        pass

    def target(self, hr):
        return hr

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.work(index)


def built(work):
    return lambda _options, _context: Part(work)


def failing(*_images):
    raise AttributeError("no such layer")


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def blank(lr):
    return torch.full((*lr.shape[:2], 4 * lr.shape[2], 4 * lr.shape[3]), 0.5)


class Wrapped:
    # What ships, but for a member.
    def __init__(self, inner, **own):
        self.inner = inner
        self.__dict__.update(own)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def generator(**own):
    def build(_options, _context):
        inner = toolkit.make("generator", "one-step", backbone="pocket", lora_rank=2)
        return Wrapped(inner, **{name: each(inner) for name, each in own.items()})

    return build


def judge(**own):
    def build(_options, _context):
        inner = toolkit.make("discriminator", "nad", backbone="pocket", lora_rank=2)
        return Wrapped(inner, **{name: each(inner) for name, each in own.items()})

    return build


def half(inner):
    def predict(lr):
        image, latent = inner.predict(lr)
        return Prediction(image[..., ::2, ::2], latent)

    return predict


def still(inner):
    return lambda lr: Prediction(*(each.detach() for each in inner.predict(lr)))


def narrow(inner):
    return lambda hr: inner.encode(hr)[:, :1]


def deaf(inner):
    return lambda x, rng: inner.logits(x.detach(), rng)


class Replaying(Part):
    def describe(self, seed, index):
        return [{"step": self.work(index)}]

    def apply(self, hr, history):
        return hr

    def batch(self, hr, seed, indices):
        return hr[:, :, ::4, ::4]


def unmarked(_options, _context):
    metric = Part(lambda sr, _hr: sr.mean(dim=(1, 2, 3)))
    metric.fingerprint = {"version": 1}
    return metric


BUILDS = {
    ("generator", "half"): generator(predict=half),
    ("generator", "still"): generator(predict=still),
    ("generator", "narrow"): generator(encode=narrow),
    ("generator", "stateless"): generator(state=lambda inner: dict),
    ("discriminator", "flat"): judge(logits=lambda inner: lambda x, rng: x.mean()),
    ("discriminator", "detached"): judge(logits=lambda inner: lambda x, rng: x[:, :1].detach()),
    ("discriminator", "observing"): judge(observe=lambda inner: failing),
    ("discriminator", "deaf"): judge(logits=deaf),
    ("generator", "no-restorer"): generator(as_restorer=lambda inner: lambda: None),
    ("generator", "no-export"): generator(export=lambda inner: failing),
    ("loss", "nothing"): lambda *_: None,
    ("loss", "no-loss"): lambda *_: object(),
    ("loss", "raising"): raising(ValueError("out of order")),
    ("loss", "exits"): raising(SystemExit(3)),
    ("loss", "os-error"): raising(PermissionError(13, "Permission denied", "weights.pth")),
    ("loss", "fails"): built(failing),
    ("loss", "scalar"): built(lambda sr, hr: (sr - hr).square().mean()),
    ("loss", "map"): built(lambda sr, hr: (sr - hr).square()),
    ("loss", "detached"): built(lambda sr, hr: (sr - hr).detach().square().flatten(1).mean(1)),
    ("degradation", "small"): built(lambda hr, rng: hr[:, ::8, ::8]),
    ("degradation", "bright"): built(lambda hr, rng: 255 * hr[:, ::4, ::4]),
    ("degradation", "failing"): built(failing),
    ("degradation", "sets"): lambda *_: Replaying(lambda index: {index}),
    ("degradation", "replaying"): lambda *_: Replaying(lambda index: "blur"),
    ("dataset", "tensors"): built(lambda index: image(3, 64, 64)),
    ("dataset", "bytes"): built(lambda index: Sample("a", (255 * image(3, 64, 64)).byte())),
    ("dataset", "failing"): built(failing),
    ("metric", "a-float"): built(lambda sr, _hr: 0.5),
    ("metric", "a-number"): built(lambda sr, _hr: sr.mean()),
    ("metric", "failing"): built(failing),
    ("metric", "exits"): raising(SystemExit(3)),
    ("metric", "unmarked"): unmarked,
    ("metric", "nothing"): lambda *_: None,
    ("metric", "mean"): built(lambda sr, _hr: sr.mean(dim=(1, 2, 3))),
    ("restorer", "as-small"): built(lambda lr: lr),
    ("restorer", "raising"): raising(ValueError("out of order")),
    ("restorer", "blank"): built(blank),
}


@hookimpl
def toolkit_components():
    for (kind, name), build in BUILDS.items():
        yield Component(kind=kind, name=name, summary="At fault", build=build)

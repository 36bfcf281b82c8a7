"""Colours of any profile in sRGB, against values computed from the primaries alone."""

import logging
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

from toolkit.colour_profiles import to_srgb
from toolkit.images import Metadata, Picture

# Chromaticities of red, green and blue, and of the white points D65 and (as XYZ) D50.
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
REC709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65 = (0.3127, 0.3290)
D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
GAMMA = 563 / 256  # Adobe RGB's
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def to_xyz(primaries):
    """Linear RGB to XYZ under D65, as every textbook has it."""
    columns = np.stack([xyz(*each) for each in primaries], axis=1)
    return columns * np.linalg.solve(columns, xyz(*D65))


def encoded(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def decoded(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def expected(values, primaries, curve):
    """sRGB of `[..., 3]` encoded values; no profile is looked at, and D50 plays no part."""
    matrix = np.linalg.solve(to_xyz(REC709), to_xyz(primaries))
    return encoded(curve(values) @ matrix.T)


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def gamma(exponent):
    return b"curv\0\0\0\0" + struct.pack(">IH2x", 1, round(exponent * 256))


def table(values):
    body = np.round(np.asarray(values) * 65535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + body


def para(kind, *numbers):
    return b"para\0\0\0\0" + struct.pack(">H2x", kind) + fixed(*numbers)


def profile(tags, space=b"RGB ", version=2):
    header = bytearray(128)
    header[8] = version
    header[12:24] = b"mntr" + space + b"XYZ "
    header[36:40] = b"acsp"
    header[68:80] = fixed(*D50)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50), **tags}
    directory, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        directory += struct.pack(">4sII", name, start + len(body), len(data))
        body += data
    whole = bytes(header) + struct.pack(">I", len(tags)) + directory + body
    return struct.pack(">I", len(whole)) + whole[4:]


def to_d50(primaries):
    """Linear RGB to XYZ under D50, the white of every profile, by Bradford's transform."""
    ratio = (BRADFORD @ D50) / (BRADFORD @ xyz(*D65))
    return np.linalg.inv(BRADFORD) @ np.diag(ratio) @ BRADFORD @ to_xyz(primaries)


def rgb_profile(primaries, curve, version=2):
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    columns = zip(names, to_d50(primaries).T, strict=True)
    colorants = {name: b"XYZ \0\0\0\0" + fixed(*column) for name, column in columns}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return profile(colorants | curves, version=version)


def grey_profile(curve):
    return profile({b"kTRC": curve}, b"GRAY")


def table_profile(primaries, exponent):
    """The colours of a matrix profile as a table, two nodes a side, between curves (`mft2`)."""
    light = np.linspace(0, 1, 1024) ** exponent
    nodes = np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)])
    colours = nodes @ to_d50(primaries).T * 32768 / 65535
    numbers = np.concatenate([np.tile(light, 3), colours.ravel(), np.tile([0, 1], 3)])
    body = np.round(np.clip(numbers, 0, 1) * 65535).astype(">u2").tobytes()
    head = b"mft2\0\0\0\0" + bytes([3, 3, 2, 0]) + fixed(*np.eye(3).ravel())
    return profile({b"A2B0": head + struct.pack(">HH", 1024, 2) + body})


SRGB_CURVE = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
PROFILES = {
    "adobe": (rgb_profile(ADOBE, gamma(GAMMA)), ADOBE, lambda values: values**GAMMA),
    "p3": (rgb_profile(P3, SRGB_CURVE, version=4), P3, decoded),
    "p3-table": (rgb_profile(P3, table(decoded(np.linspace(0, 1, 1024)))), P3, decoded),
    "linear": (rgb_profile(P3, table([])), P3, lambda values: values),
    "adobe-lut": (table_profile(ADOBE, GAMMA), ADOBE, lambda values: values**GAMMA),
}
"""A profile, and what it says."""


def colours(bits, count=40):
    """Random ones, half of them dark, exact in so many bits: `[n, n, 3]`."""
    values = np.random.default_rng(0).random((count, count, 3))
    values[: count // 2] *= 0.15
    return np.round(values * (2**bits - 1)) / (2**bits - 1)


def picture(values, icc, **fields):
    rgb = torch.from_numpy(np.asarray(values, np.float32)).permute(2, 0, 1).contiguous()
    return Picture(rgb=rgb, metadata=Metadata(b"exif", b"xmp", icc), **fields)


def pixels(converted):
    return converted.rgb.permute(1, 2, 0).double().numpy()


def levels_off(found, wanted):
    """The largest difference, in levels of 8 bits."""
    return np.abs(found - wanted).max() * 255


@pytest.mark.parametrize("name", PROFILES)
def test_eight_bits_are_right_to_the_level(name):
    icc, primaries, curve = PROFILES[name]
    converted = to_srgb(picture(colours(8), icc))
    assert levels_off(pixels(converted), expected(colours(8), primaries, curve)) < 0.9
    assert converted.rgb.dtype == torch.float32
    assert converted.rgb.is_contiguous()
    levels = pixels(converted) * 255
    assert np.abs(levels - levels.round()).max() < 1e-4


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "adobe-lut"])
def test_sixteen_bits_keep_their_accuracy(name):
    icc, primaries, curve = PROFILES[name]
    found = pixels(to_srgb(picture(colours(16), icc, bits=16)))
    assert levels_off(found, expected(colours(16), primaries, curve)) < 0.25


def test_sixteen_bits_through_tables_keep_their_gradations():
    icc, primaries, curve = PROFILES["adobe-lut"]
    ramp = np.linspace(0.4, 0.45, 1000)[None, :, None].repeat(3, axis=2)
    found = pixels(to_srgb(picture(ramp, icc, bits=16)))
    assert levels_off(found, expected(ramp, primaries, curve)) < 1
    assert len(np.unique(found[..., 0])) > 900


@pytest.mark.parametrize(
    ("name", "published", "in_srgb"),
    [
        ("p3", (234, 51, 35), (255, 0, 0)),
        ("p3", (117, 251, 76), (0, 255, 0)),
        ("p3", (0, 0, 245), (0, 0, 255)),
        ("adobe", (219, 0, 0), (255, 0, 0)),
        ("adobe", (144, 255, 60), (0, 255, 0)),
    ],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_published_values(name, published, in_srgb, bits):
    values = np.full((1, 1, 3), published) / 255
    found = pixels(to_srgb(picture(values, PROFILES[name][0], bits=bits))) * 255
    assert np.abs(found - in_srgb).max() < 4  # they are rounded where a channel rises steeply


@given(
    st.sampled_from(["adobe", "p3"]),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.lists(st.integers(0, 65535), min_size=48, max_size=48),
)
def test_any_size_and_any_colour(name, size, numbers):
    icc, primaries, curve = PROFILES[name]
    values = np.array(numbers).reshape(4, 4, 3)[: size[0], : size[1]] / 65535
    found = pixels(to_srgb(picture(values, icc, bits=16)))
    assert found.shape == values.shape
    assert levels_off(found, expected(values, primaries, curve)) < 0.25


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "icc",
    [
        SRGB,
        rgb_profile(REC709, SRGB_CURVE, version=4),
        rgb_profile(REC709, table(decoded(np.linspace(0, 1, 1024)))),
        grey_profile(table(decoded(np.linspace(0, 1, 1024)))),
        b"",
    ],
    ids=["littlecms", "para", "table", "grey", "none"],
)
def test_srgb_stays_the_very_same(icc, bits):
    grey = icc[16:20] == b"GRAY"
    values = colours(bits)[..., :1].repeat(3, axis=2) if grey else colours(bits)
    before = picture(values, icc, bits=bits, grey=grey)
    converted = to_srgb(before)
    assert converted.rgb is before.rgb
    assert converted.metadata == Metadata(b"exif", b"xmp")


GREY_CURVES = {
    "gamma": (gamma(1.8), lambda v: v ** (461 / 256)),
    "para-0": (para(0, 1.8), lambda v: v**1.8),
    "para-1": (para(1, 2.0, 1.25, -0.25), lambda v: np.maximum(1.25 * v - 0.25, 0) ** 2),
    "para-2": (para(2, 2.0, 0.9, 0.05, 0.05), lambda v: (0.9 * v + 0.05) ** 2 + 0.05),
    "para-4": (
        para(4, 1.0, 0.9, 0.1, 0.5, 0.2, 0.0, 0.05),
        lambda v: np.where(v < 0.2, 0.5 * v + 0.05, 0.9 * v + 0.1),
    ),
    "table": (table([0, 0.25, 1]), lambda v: np.where(v < 0.5, 0.5 * v, 1.5 * v - 0.5)),
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", GREY_CURVES)
def test_grey_profiles(name, bits):
    tag, curve = GREY_CURVES[name]
    full = 2**bits - 1
    values = np.round(np.linspace(0, 1, 256) * full)[None, :, None].repeat(3, axis=2) / full
    converted = to_srgb(picture(values, grey_profile(tag), bits=bits, grey=True))
    black = curve(np.zeros(1))  # compensated: the darkest that the profile knows becomes black
    wanted = encoded((curve(values) - black) / (1 - black))
    assert converted.grey
    assert levels_off(pixels(converted), wanted) < (0.6 if bits == 8 else 0.05)


def test_alpha_and_all_else_are_left_alone():
    alpha = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0))
    before = picture(colours(8), PROFILES["p3"][0], alpha=alpha)
    converted = to_srgb(before)
    assert converted.alpha is alpha
    assert converted.metadata == Metadata(b"exif", b"xmp")
    assert not converted.grey
    assert torch.equal(before.rgb, picture(colours(8), b"").rgb)


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_pixels_with_an_rgb_profile(bits):
    values = np.linspace(0, 1, 256)[None, :, None].repeat(3, axis=2)
    found = to_srgb(picture(values, PROFILES["linear"][0], bits=bits, grey=True))
    assert levels_off(pixels(found), encoded(values)) < 0.9
    assert found.grey == (found.rgb == found.rgb[:1]).all()


@pytest.mark.parametrize(
    "icc",
    [
        SRGB[:300],
        SRGB[:140],
        b"no profile",
        SRGB[:36] + b"????" + SRGB[40:],
        PROFILES["adobe"][0].replace(b"gTRC", b"none"),
        PROFILES["adobe"][0].replace(b"bXYZ", b"none"),
        grey_profile(gamma(1.8)),  # but the pixels are coloured
    ],
    ids=["torn", "no-tags", "text", "unsigned", "no-curve", "no-primary", "grey"],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_useless_profile_costs_no_photograph(icc, bits, caplog, tmp_path):
    before = picture(colours(bits), icc, bits=bits, path=tmp_path / "a.png")
    with caplog.at_level(logging.WARNING, "toolkit"):
        converted = to_srgb(before)
    assert converted.rgb is before.rgb
    assert converted.metadata.icc == b""
    assert "a.png: its colour profile is unusable" in caplog.text


@given(st.data())
def test_no_damage_does_any_harm(data):
    icc = bytearray(data.draw(st.sampled_from([icc for icc, _, _ in PROFILES.values()])))
    for _ in range(data.draw(st.integers(1, 4))):
        icc[data.draw(st.integers(128, min(len(icc), 450) - 1))] = data.draw(st.integers(0, 255))
    for bits in (8, 16):
        rgb = to_srgb(picture(colours(bits, 4), bytes(icc), bits=bits)).rgb
        assert rgb.shape == (3, 4, 4)
        assert bool(((rgb >= 0) & (rgb <= 1)).all())

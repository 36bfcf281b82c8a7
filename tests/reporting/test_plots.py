"""Plots as SVG that parses, with all that is to be seen in it."""

from xml.etree import ElementTree as ET

from toolkit.reporting.plots import COLOURS, colours_of, curve_plot, interval_plot, layer_plot

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg):
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))


def test_every_row_has_a_dot_and_its_interval():
    rows = [("a & b", 0.2, (0.1, 0.3)), ("<c>", 0.25, None)]
    root = parsed(interval_plot("dists (lower is better)", rows, colours_of(["a & b", "<c>"]), 2))
    dots = root.findall(f"{SVG}circle")
    assert len(dots) == 2
    assert len(root.findall(f"{SVG}path[@class='bar']")) == 1
    assert float(dots[0].get("cx")) < float(dots[1].get("cx"))
    assert {"a & b", "<c>", "0.20", "0.25"} <= {each.text for each in root.findall(f"{SVG}text")}


def test_equal_figures_are_drawn_too():
    parsed(interval_plot("x", [("a", 0.0, (0.0, 0.0)), ("b", 0.0, None)], colours_of("ab"), 3))


def test_a_curve_is_smoothed_and_keeps_its_ends():
    curves = {"one": [(step, 1 / (step + 1)) for step in range(1000)], "none": []}
    svg, _, keys = curve_plot("mse", curves, colours_of(curves)).partition("<p class")
    root = parsed(svg)
    [line] = root.findall(f"{SVG}path[@class='curve']")
    assert 100 <= line.get("d").count("L") <= 250
    assert "one" in keys
    assert "none" not in keys


def test_a_curve_of_one_point_is_drawn():
    parsed(curve_plot("mse", {"a": [(1, 0.5)]}, colours_of("a")).partition("<p class")[0])


def test_a_label_has_one_colour_in_every_plot():
    colours = colours_of(["none", "nad", "nad", "vanilla"])
    assert colours == dict(zip(["none", "nad", "vanilla"], COLOURS, strict=False))
    drawn = curve_plot("mse", {"vanilla": [(1, 0.5)]}, colours)
    assert COLOURS[2] in drawn
    assert COLOURS[0] not in drawn


def heights(path):
    return [float(place.split()[1]) for place in path.get("d").strip("MZ").split("L")]


def test_layers_lie_on_each_other():
    layers = {"data": [1.0, 2.0], "generator": [3.0, 2.0]}
    svg, _, keys = layer_plot("s", [10, 20], layers, colours_of(layers)).partition("<p class")
    [data, generator] = parsed(svg).findall(f"{SVG}path[@class='layer']")
    assert heights(data) == [132, 98, 166, 166]  # its upper edge, and the axis
    assert heights(generator) == [30, 30, 98, 132]  # back along the upper edge of the first
    assert keys.index("generator") < keys.index("data")


def test_a_layer_of_one_step_fills_the_width():
    root = parsed(layer_plot("s", [10], {"a": [1.0]}, colours_of("a")).partition("<p class")[0])
    [layer] = root.findall(f"{SVG}path[@class='layer']")
    assert layer.get("d") == "M46.0 30.0L352 30.0L352 166.0L46.0 166.0Z"

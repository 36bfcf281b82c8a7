"""The tool that makes small faults."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("mutating", Path(__file__).parent / "mutating.py")
mutating = importlib.util.module_from_spec(_SPEC)
sys.modules["mutating"] = mutating  # where its dataclass looks for it
_SPEC.loader.exec_module(mutating)

SOURCE = '''
def area(a, b):
    """What it does."""
    if a < 0 and b:
        raise ValueError("too small, 1")
    return square(a, b, scale=2)
'''


def made(place, source=SOURCE):
    tree = ast.parse(source)
    list(mutating.mutants(tree))[place].apply()
    return ast.unparse(ast.fix_missing_locations(tree))


def programs(source):
    return [made(place, source) for place in range(len(list(mutating.mutants(ast.parse(source)))))]


def test_every_mutant_is_another_program_of_its_own():
    mutants = list(mutating.mutants(ast.parse(SOURCE)))
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    programs = [made(place) for place in range(len(mutants))]
    assert len(set(programs)) == len(programs)
    assert ast.unparse(ast.parse(SOURCE)) not in programs
    for part in ("a <= 0", "a < 1", "a < 0 or b", "not (a < 0 and b)", "square(b, a, scale=2)",
                 "square(a, b)", "scale=3", "return None", "        pass"):  # fmt: skip
        assert sum(part in program for program in programs) >= 1, part
    assert all('"What it does."' in program for program in programs)
    assert not any("too small, 2" in program for program in programs)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        # What is there only for other devices, for speed, or to say a default aloud stays.
        ("x = make(2, device=y.device)", ["x = make(3, device=y.device)"]),
        ("x = make(y, device='meta')", ["x = make(y)"]),
        ("for each in zip(a, b, strict=True): pass", ["for each in zip(b, a, strict=True): pass"]),
        ("x = zip(b, strict=False)", ["x = zip(b, strict=True)", "x = zip(b)"]),
        ("x = load(b, strict=True)", ["x = load(b, strict=False)", "x = load(b)"]),
        ("x = y.contiguous(memory_format=z)", []),
        ("x = y.is_contiguous(memory_format=z)", ["x = y.is_contiguous()", "x = y"]),
        ("x = y.contiguous()", ["x = y"]),
        ("f.zero(set_to_none=True)", ["f.zero(set_to_none=False)", "f"]),
        # So does the order of what commutes, and of nothing else.
        ("x = min(a, b)", []),
        ("x = F.mse_loss(a, b)", ["x = a"]),
        ("x = torch.maximum(a, b, c)", ["x = torch.maximum(a, c, b)", "x = a"]),
        ("x = dot(a.b, a.b)", []),
        ("x = F.kl_div(a, b)", ["x = F.kl_div(b, a)", "x = a"]),
        # Where a gradient ends is behaviour.
        ("x = y.detach()", ["x = y"]),
    ],
)
def test_what_no_test_can_see_is_left_alone_and_nothing_beside_it(source, wanted):
    assert sorted(programs(source)) == sorted(ast.unparse(ast.parse(each)) for each in wanted)

"""The tool that makes small faults."""

import ast
import importlib.util
import sys
from pathlib import Path

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


def made(place):
    tree = ast.parse(SOURCE)
    list(mutating.mutants(tree))[place].apply()
    return ast.unparse(ast.fix_missing_locations(tree))


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

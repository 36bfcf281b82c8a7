"""Small faults, one at a time, in a module's syntax tree."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

_COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip
_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Return, ast.Continue, ast.Break)
_TEXT = ("paper", "licence", "summary", "hint")
"""Arguments that people read; what they say is no behaviour."""
_COMMUTE = ("min", "max", "torch.minimum", "torch.maximum", "F.mse_loss", "F.l1_loss")
"""Their first two arguments may be exchanged: they compute the same."""


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        owner: The node that is changed.
        field: Its field.
        place: Where in that field, if it is a list.
        new: What is put there; None to take it away.
        lines: Of the source, first and last.
        name: The same, wherever the line has moved to.
    """

    owner: ast.AST
    field: str
    place: int | None
    new: Any
    lines: tuple[int, int]
    name: str

    def apply(self) -> None:
        """Changes the tree."""
        if self.place is None:
            setattr(self.owner, self.field, self.new)
            return
        items = getattr(self.owner, self.field)
        items[self.place : self.place + 1] = [] if self.new is None else [self.new]


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its lines; no two have the same name."""
    seen: Counter[str] = Counter()
    for mutant in _within(tree, "", (0, 0)):
        seen[mutant.name] += 1
        count = seen[mutant.name]
        yield replace(mutant, name=f"{mutant.name} #{count}") if count > 1 else mutant


def _within(node: ast.AST, scope: str, lines: tuple[int, int]) -> Iterator[Mutant]:
    """The mutants of what a node consists of."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}" if scope else node.name
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "type_comment"}:
            continue
        listed = isinstance(value, list)
        for place, child in enumerate(value if listed else [value]):
            if not isinstance(child, ast.AST) or _is_told(node, field, child):
                continue
            if isinstance(child, ast.keyword) and _is_unseen(node, child):
                continue
            at = _lines(child) or lines
            for new, name in _instead(node, field, child):
                yield Mutant(node, field, place if listed else None, new, at, f"{scope}: {name}")
            if not isinstance(child, ast.Raise):  # what an error says is no behaviour
                yield from _within(child, scope, at)


def _is_told(owner: ast.AST, field: str, child: ast.AST) -> bool:
    """Whether it is for readers and type checkers alone."""
    if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
        return True
    if isinstance(child, ast.keyword) and child.arg in _TEXT:
        return True
    if isinstance(child, ast.Assert | ast.Import | ast.ImportFrom):
        return True
    is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    return is_text or (isinstance(owner, ast.JoinedStr) and field == "values")


def _is_unseen(call: ast.AST, keyword: ast.keyword) -> bool:
    """Whether no value depends on a keyword, where all lies on a CPU and nothing else is wrong."""
    if not isinstance(call, ast.Call):
        return False
    function = ast.unparse(call.func)
    match keyword.arg:
        case "device":  # the tests' tensors lie on the CPU, where new ones lie anyway
            return not isinstance(keyword.value, ast.Constant)
        case "strict":  # of zip: another fault has to come first for the lengths to differ
            return function == "zip" and ast.unparse(keyword.value) == "True"
        case "memory_format":  # the order in memory: speed, no value
            return function.endswith(".contiguous")
        case _:
            return False


def _is_default(keyword: ast.keyword) -> bool:
    """Whether a keyword says what holds without it, too."""
    return ast.unparse(keyword) == "set_to_none=True"


def _lines(node: ast.AST) -> tuple[int, int] | None:
    first = getattr(node, "lineno", None)
    if first is None:
        return None
    if isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.FunctionDef | ast.ClassDef):
        return first, first
    return first, getattr(node, "end_lineno", first)


def _instead(owner: ast.AST, field: str, node: ast.AST) -> Iterator[tuple[ast.AST | None, str]]:
    """What to put in place of a node, and how that is called."""
    for new in _expressions(node):
        yield new, f"{_short(node)}  →  {_short(new)}"
    if field == "decorator_list" and _short(node) not in {"property", "staticmethod", "dataclass"}:
        yield None, f"without @{_short(node)}"
    if isinstance(node, ast.If | ast.IfExp | ast.While) or field == "ifs":
        test = node if field == "ifs" else node.test  # type: ignore[attr-defined]
        changed = copy.copy(node)
        turned = ast.UnaryOp(ast.Not(), test)
        if field == "ifs":
            changed = turned
        else:
            changed.test = turned  # type: ignore[attr-defined]
        yield changed, f"if {_short(test)}  →  if not"
    if isinstance(node, _SIMPLE) and field in {"body", "orelse", "finalbody"}:
        if isinstance(node, ast.Return):
            if node.value is not None and not isinstance(node.value, ast.Constant):
                yield ast.Return(ast.Constant(None)), f"{_short(node)}  →  return None"
        elif not isinstance(owner, ast.Module | ast.ClassDef):
            yield ast.Pass(), f"without {_short(node)}"


def _expressions(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901 - a table of cases
    match node:
        case ast.Compare(left=left, ops=[operation], comparators=others):
            yield ast.Compare(left, [_COMPARISONS[type(operation)]()], others)
        case ast.Compare(left=left, ops=operations, comparators=others):
            for place, operation in enumerate(operations):
                changed: list[ast.cmpop] = list(operations)
                changed[place] = _COMPARISONS[type(operation)]()
                yield ast.Compare(left, changed, others)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _ARITHMETIC:
            yield ast.BinOp(left, _ARITHMETIC[type(operation)](), right)
        case ast.AugAssign(target=target, op=operation, value=value) if (
            type(operation) in _ARITHMETIC
        ):
            yield ast.AugAssign(target, _ARITHMETIC[type(operation)](), value)
        case ast.BoolOp(op=operation, values=values):
            yield ast.BoolOp(ast.And() if isinstance(operation, ast.Or) else ast.Or(), values)
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value if value else 1.0)
        case ast.Call():
            yield from _calls(node)


def _calls(call: ast.Call) -> Iterator[ast.AST]:
    """Without a keyword; with two arguments exchanged; without the method that is called last."""
    for place, keyword in enumerate(call.keywords):
        if keyword.arg not in _TEXT and not _is_unseen(call, keyword) and not _is_default(keyword):
            rest = call.keywords[:place] + call.keywords[place + 1 :]
            yield ast.Call(call.func, call.args, rest)
    commutes = ast.unparse(call.func) in _COMMUTE
    for place in range(1 if commutes else 0, len(call.args) - 1):
        pair = call.args[place : place + 2]
        if ast.unparse(pair[0]) == ast.unparse(pair[1]):
            continue
        if not any(isinstance(each, ast.Starred | ast.Constant) for each in pair):
            swapped = [*call.args[:place], *reversed(pair), *call.args[place + 2 :]]
            yield ast.Call(call.func, swapped, call.keywords)
    if any(
        keyword.arg == "memory_format" and _is_unseen(call, keyword) for keyword in call.keywords
    ):
        return
    if isinstance(call.func, ast.Attribute) and isinstance(
        call.func.value, ast.Call | ast.Name | ast.Attribute | ast.BinOp | ast.Subscript
    ):
        if isinstance(call.func.value, ast.Name) and call.func.value.id in _MODULES:
            if call.args and not isinstance(call.args[0], ast.Starred):
                yield call.args[0]
        else:
            yield call.func.value


_MODULES = {"torch", "F", "math", "np", "nn", "stats", "ast", "json", "itertools", "weights"}


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:60]} … {text[-27:]}"

"""The mutants of a module: cosmic-ray's operators, some of our own, and what is left out because no test could tell."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial

from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

FROM_COSMIC_RAY = (
    *("ReplaceComparisonOperator_" + pair for pair in (
        "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt",
        "Is_IsNot", "IsNot_Is",
    )),
    *("ReplaceBinaryOperator_" + pair for pair in (
        "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul", "RShift_LShift",
        "LShift_RShift", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitOr",
    )),
    "ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_Invert",
    "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer", "RemoveDecorator",
    "ZeroIterationForLoop",
)  # fmt: skip
"""Of the seven comparisons and eleven operations that one can become, the nearest and the opposite: others die alike."""

_SPEED_ONLY = {"cache", "lru_cache"}
_TEXTS_FOR_PEOPLE = {"licence", "source", "homepage", "layout"}
_NOT_BEHAVIOUR = {"help", "strict", "frozen", "repr", "slots", "kw_only", "stacklevel"}


@dataclass(frozen=True)
class Mutant:
    """One change to one file."""

    path: str
    """Of the module, relative to the repository."""
    operator: str
    line: int
    """Where it changes something, from 1."""
    key: str
    """16 hexadecimal digits that stay when other parts of the file change."""
    on_import: bool
    """Whether the line runs when the module is imported, or just once in a process."""
    statement: range
    """The lines of the statement around it, without the body that it may have."""
    change: Callable[[], str | None] = field(compare=False, repr=False)
    """Gives the module as it becomes; None where that is not Python."""


def mutants_of(path: str, source: str, tuning: Collection[str] = ()) -> list[Mutant]:
    """Every mutant of a module that is not left out, in the order of the source; nothing is changed yet.

    `tuning` names constants that set time or memory and no result.
    """
    left_out = _LeftOut(source, tuning)
    lines, times, mutants = source.splitlines(), dict[str, int](), []
    changes = (*_of_cosmic_ray(source), *_of_our_own(source))
    for operator, line, column, change in sorted(changes, key=lambda one: (one[1:3], one[0])):
        if left_out(line, column, operator):
            continue
        what = f"{path}\0{left_out.scope(line)}\0{lines[line - 1].strip()}\0{operator}"
        times[what] = times.get(what, 0) + 1
        key = hashlib.sha256(f"{what}\0{times[what]}".encode()).hexdigest()[:16]
        on_import = left_out.lines_run_on_import(line)
        made = partial(_if_it_compiles, source, change)
        mutants.append(Mutant(path, operator, line, key, on_import, left_out.statement(line), made))
    return mutants


def _if_it_compiles(source: str, change: Callable[[], str | None]) -> str | None:
    code = change()
    if code is None or code == source:
        return None
    try:
        compile(code, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return code


Change = tuple[str, int, int, Callable[[], str | None]]
"""An operator, the line and column of its place, and what gives the source as it becomes."""


def _of_cosmic_ray(source: str) -> Iterator[Change]:
    nodes, waiting = [], [get_ast(source)]
    while waiting:  # in the order in which cosmic-ray itself counts
        nodes.append(waiting.pop())
        waiting += reversed(getattr(nodes[-1], "children", []))
    for name in FROM_COSMIC_RAY:
        operator = get_operator(f"core/{name}")()
        places = [(node, *start) for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, (node, line, column) in enumerate(places):
            if node.parent is not None and node.parent.type == "parameters":
                continue  # the star before parameters that have names is no multiplication
            if name == "NumberReplacer" and not isinstance(ast.literal_eval(node.value), int):
                continue  # ours halve and double it, which is harder to see than one more or less
            if name == "ExceptionReplacer" and "." in node.get_code().partition(":")[0]:
                continue  # it can do nothing with `except module.Error`
            yield name, line, column, partial(mutate_code, source, operator, occurrence)


def _of_our_own(source: str) -> Iterator[Change]:
    """What cosmic-ray has not, and where our bugs were: statements and clauses that no test misses, texts, fractions."""
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line.encode()))
    raw = source.encode()

    def piece(node: ast.expr | ast.stmt) -> bytes:
        return raw[slice(*extent(node))]

    def extent(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return offsets[node.lineno - 1] + node.col_offset, offsets[node.end_lineno - 1] + node.end_col_offset

    def changed(operator: str, node: ast.expr | ast.stmt, text: bytes) -> Change:
        return operator, node.lineno, node.col_offset, partial(spliced, *extent(node), text)

    def spliced(start: int, end: int, text: bytes) -> str:
        return (raw[:start] + text + raw[end:]).decode()

    tree = ast.parse(source)
    parts_of_texts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp):
            for clause in node.values:
                others = [value for value in node.values if value is not clause]
                word = b" and " if isinstance(node.op, ast.And) else b" or "
                text = b"(" + word.join(b"(" + piece(value) + b")" for value in others) + b")"
                yield "DropClause", clause.lineno, clause.col_offset, partial(spliced, *extent(node), text)
        elif (
            (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom))
            or isinstance(node, ast.AugAssign | ast.Delete)
            or (isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name))
        ):
            yield changed("DropStatement", node, b"pass")
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn) and len(node.ops) == 1:
            word = b" not in " if isinstance(node.ops[0], ast.In) else b" in "
            yield changed("NegateMembership", node, b"(" + piece(node.left) + word + piece(node.comparators[0]) + b")")
        elif isinstance(node, ast.Name) and node.id in ("min", "max"):
            yield changed("SwapMinMax", node, b"max" if node.id == "min" else b"min")
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            for factor in (2.0, 0.5):
                yield changed("ScaleFloat", node, repr(node.value * factor).encode())
        elif isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts_of_texts
        ):
            yield changed("OtherText", node, b'"XX"')


class _LeftOut:
    """Places at which a change is none of behaviour: see README.md, which says why of each."""

    def __init__(self, source: str, tuning: Collection[str]) -> None:
        self._texts_and_tuning = {"__all__", *_TEXTS_FOR_PEOPLE, *tuning}
        self._tree = ast.parse(source)
        self._spans: list[tuple[tuple[int, int], tuple[int, int]]] = []
        self._scopes: list[tuple[int, int, str]] = []
        self._cached: list[int] = []
        self._bodies: list[tuple[int, int]] = []
        self._statements: dict[int, range] = {}
        self._visit(self._tree, "")

    def __call__(self, line: int, column: int, operator: str) -> bool:
        if operator == "RemoveDecorator" and line in self._cached:
            return True
        return any(start <= (line, column) < end for start, end in self._spans)

    def scope(self, line: int) -> str:
        """The qualified name of the innermost function or class there."""
        return max((scope for scope in self._scopes if scope[0] <= line <= scope[1]), default=(0, 0, ""))[2]

    def lines_run_on_import(self, line: int) -> bool:
        """Whether a line runs when the module is imported, or just once in a process."""
        return all(not (start <= line <= end) for start, end in self._bodies)

    def statement(self, line: int) -> range:
        """The lines of the innermost statement there, up to its body."""
        return self._statements.get(line, range(line, line + 1))

    def _leave_out(self, node: ast.AST | None) -> None:
        if node is not None and hasattr(node, "lineno"):
            start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
            self._spans.append((start, end))  # type: ignore[arg-type]

    def _visit(self, node: ast.AST, scope: str) -> None:
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or 0
            lines = range(node.lineno, max(end, node.lineno) + 1)
            self._statements |= dict.fromkeys(lines, lines)  # what is visited later lies within
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not any(map(_speeds_up, node.decorator_list)):
            self._bodies.append((node.body[0].lineno, node.end_lineno or 0))  # of those whose results are not kept
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                scope = f"{scope}.{node.name}"
                self._scopes.append((node.lineno, node.end_lineno or 0, scope))
                for one in filter(_speeds_up, node.decorator_list):
                    self._cached.append(one.lineno)
                    if isinstance(one, ast.Call):
                        self._leave_out(one)
                self._leave_out(getattr(node, "returns", None))
                if isinstance(node, ast.ClassDef):
                    for base in node.bases:
                        self._leave_out(base)
            case ast.arg() | ast.AnnAssign():
                self._leave_out(node.annotation)
            case ast.Subscript(value=ast.Call(func=ast.Attribute(attr="fetchone"))):
                self._leave_out(node.slice)
            case ast.Assert():
                self._leave_out(node)
            case ast.Expr(value=ast.Constant()):  # docstrings, and dots
                self._leave_out(node)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Raise(exc=ast.Name(id="NotImplementedError")):
                self._leave_out(node)
            case ast.keyword(arg=str(name)) if name in _NOT_BEHAVIOUR:
                self._leave_out(node)
            case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType")):
                self._leave_out(node.args[0])
            case ast.Call(func=ast.Name(id="declared"), args=[_, _, text, *_]):  # the help of a setting
                self._leave_out(text)
            case ast.Assign(targets=[ast.Name(id=name)]) if name in self._texts_and_tuning or _is_type(node.value):
                self._leave_out(node)
        for child in ast.iter_child_nodes(node):
            self._visit(child, scope)


def _speeds_up(decorator: ast.expr) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Name) and name.id in _SPEED_ONLY


def _is_type(value: ast.expr) -> bool:
    """Whether it is an alias such as `Callable[[int], str]`, `Literal["a"]` or `int | None`."""
    return isinstance(value, ast.Subscript) and ast.unparse(value.value) in (
        "Callable", "Literal", "Mapping", "Sequence", "NDArray", "tuple", "list", "dict", "type",
    )  # fmt: skip

"""The tidy checker: rules of the house that neither ruff nor the type checkers can tell.

It reads source text and knows nothing of what the modules do. `check_source` is pure; `check_tree` walks
the packages.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("runtime", "pallets", "genesis", "apps", "node", "tests", "benchmarks")
DETERMINISTIC = ("runtime/", "pallets/", "node/consensus/")
MODULE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60

# Where a broad `except` is the design: a failing request, peer, task or chain must not stop its neighbours.
BOUNDARIES = {
    "node/cli/entry.py": "last line of defence of the program: one sentence instead of a traceback",
    "node/host.py": "one sick chain must not stop the others",
    "node/service.py": "supervisor of the node's tasks",
    "node/network/handlers.py": "a failing handler of messages must not stop the others",
    "node/network/service.py": "a connection that fails must not stop the others",
    "node/rpc/dispatch.py": "a failing method answers with an internal error",
    "tests/sim/simulation.py": "whatever an engine raises is what a run has found",
    "tests/wallets/clients/harness.py": "whatever a wallet library raises is the scenario's answer",
    "tests/wallets/clients/substrate_interface/registry.py": "whatever scalecodec raises is a refusal",
    "tests/wallets/clients/substrate_interface/scale.py": "whatever scalecodec raises is a refusal",
    "node/rpc/server.py": "a failing page answers 500",
}

BANNED_CALLS = frozenset({"hash", "id", "float", "open", "print", "eval"})
SET_TYPES = frozenset({"set", "frozenset", "Set", "AbstractSet", "MutableSet", "FrozenSet"})
SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})
# Consumers whose result depends on the order in which the elements come.
ORDERED_CONSUMERS = frozenset(
    {"list", "tuple", "enumerate", "iter", "map", "filter", "zip", "dict", "deque", "next"}
)
MARKERS = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|XX" + r"X)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Fault(NamedTuple):
    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


def check_tree(root: Path) -> list[Fault]:
    """Return every fault of the project's Python files, in path order."""
    faults: list[Fault] = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if "node_modules/" not in name:
                faults.extend(check_source(name, path.read_text(encoding="utf-8")))
    return faults


def check_source(path: str, source: str) -> list[Fault]:
    """Return the faults of one module; `path` is relative to the root, with forward slashes."""
    tree = ast.parse(source)
    faults = [*_check_shape(path, source, tree), *_check_excepts(path, tree)]
    if path.startswith(DETERMINISTIC):
        faults.extend(_check_determinism(path, tree))
    return sorted(faults, key=lambda fault: fault.line)


def _check_shape(path: str, source: str, tree: ast.Module) -> Iterator[Fault]:
    lines = source.splitlines()
    if tree.body and ast.get_docstring(tree) is None:
        yield Fault(path, 1, "module without a docstring")
    if len(lines) > MODULE_LINES_MAX:
        yield Fault(path, MODULE_LINES_MAX + 1, f"module of {len(lines)} lines, at most {MODULE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        if MARKERS.search(line):
            yield Fault(path, number, "leftover marker: do it or record it in the tracker")
    for node in ast.walk(tree):
        if isinstance(node, Function) and (length := _count_body_lines(node)) > FUNCTION_LINES_MAX:
            yield Fault(
                path, node.lineno, f"{node.name} has {length} body lines, at most {FUNCTION_LINES_MAX}"
            )


def _count_body_lines(function: Function) -> int:
    """Count body lines without docstring; a match whose every arm is one statement counts as one line."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    length = (function.end_lineno or function.lineno) - body[0].lineno + 1
    for node in ast.walk(function):
        if isinstance(node, ast.Match) and all(len(case.body) == 1 for case in node.cases):
            length -= (node.end_lineno or node.lineno) - node.lineno
    return length


def _check_excepts(path: str, tree: ast.Module) -> Iterator[Fault]:
    if path in BOUNDARIES:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _passes_on(node):
            yield Fault(path, node.lineno, "broad except outside the boundary modules")


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler only cleans up: its last statement raises the same error again."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(element) for element in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"})


def _check_determinism(path: str, tree: ast.Module) -> Iterator[Fault]:
    hashes = {id(call) for call in _list_hashes_for_dicts(tree)}
    for node in ast.walk(tree):
        if id(node) in hashes:
            continue
        match node:
            case ast.Constant(value=float() | complex()):
                yield Fault(path, node.lineno, "float literal")
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield Fault(path, node.lineno, "true division: use // or a named rounding")
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_CALLS:
                yield Fault(path, node.lineno, f"call of {name}()")
            case ast.AsyncFunctionDef():
                yield Fault(path, node.lineno, "async def")
            case _:
                pass
    yield from _check_set_iteration(path, tree)


def _list_hashes_for_dicts(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls of hash() inside `__hash__`: look-ups in a dict need it and no order comes of it."""
    for function in ast.walk(tree):
        if isinstance(function, Function) and function.name == "__hash__":
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "hash":
                    yield node


def _check_set_iteration(path: str, tree: ast.Module) -> Iterator[Fault]:
    module_names = _collect_sets(tree)
    scopes: list[tuple[ast.AST, frozenset[str]]] = [(tree, module_names)]
    while scopes:
        scope, names = scopes.pop()
        for node in _walk_scope(scope):
            if isinstance(node, Function | ast.Lambda):
                scopes.append((node, names | _collect_sets(node)))
            for iterated in _list_iterated(node):
                if _is_set(iterated, names):
                    yield Fault(path, iterated.lineno, "iteration over a set: sort it first")


def _walk_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of one function (or module) without entering the functions inside it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _list_iterated(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated) | ast.YieldFrom(value=iterated):
            return [iterated]
        case ast.Starred(value=value):
            return [value]
        case ast.Call(func=ast.Name(id=name), args=args) if name in ORDERED_CONSUMERS:
            return args
        case ast.Call(func=ast.Attribute(attr="join" | "extend"), args=args):
            return args
        case ast.Call(func=ast.Attribute(attr="pop", value=value), args=[]):
            return [value]
        case _:
            return []


def _collect_sets(scope: ast.AST) -> frozenset[str]:
    """Return the names and `self.` attributes that the scope declares or assigns as sets."""
    found: set[str] = set()
    for node in _walk_scope(scope):
        match node:
            case ast.AnnAssign(target=target, annotation=annotation) if _is_set_type(annotation):
                found.add(ast.unparse(target))
            case ast.Assign(targets=targets, value=value) if _is_set(value, frozenset(found)):
                found.update(ast.unparse(target) for target in targets)
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if _is_set_type(annotation):
                found.add(name)
            case _:
                pass
    if isinstance(scope, ast.Module):
        for function in (node for node in ast.walk(scope) if isinstance(node, Function)):
            found.update(name for name in _collect_sets(function) if name.startswith("self."))
    return frozenset(found)


def _is_set_type(annotation: ast.expr) -> bool:
    match annotation:
        case ast.Subscript(value=value):
            return _is_set_type(value)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SET_TYPES
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_set_type(left) or _is_set_type(right)
        case _:
            return False


def _is_set(expression: ast.expr, names: frozenset[str]) -> bool:
    match expression:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(attr=method, value=value)) if method in SET_METHODS:
            return _is_set(value, names) or method != "difference"
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_set(left, names) or _is_set(right, names)
        case ast.Name() | ast.Attribute():
            return ast.unparse(expression) in names
        case _:
            return False

"""Does the suite notice? python tests/mutants.py [--jobs N] [--only TEXT]

Changes microgpt.py and random_compat.py in one small place at a time, runs the tests on the changed copy, and lists the
changes that no test objects to. The changes: an operator or a comparison for its neighbour, and for or, a condition for
its opposite, a number or a text for another one, a sign or a keyword argument left out, either branch of a conditional
expression for the whole, a statement dropped. Docstrings and annotations are left alone.

A mutant counts as killed when a test fails or runs out of time (an endless loop). Needs nothing but pytest.
"""

import argparse
import ast
import concurrent.futures
import copy
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import time

try:
    import resource
except ImportError:  # not on Windows
    resource = None

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ("microgpt.py", "random_compat.py")
PARTS = ("random_compat", "dataset", "command_line", "model", "autograd")
STAGES = [  # arguments of pytest, seconds: first what most mutants fail in, at last the whole suite
    (["tests/test_golden.py", "-k", "references and (one or seeded or adam or layers)"], 30),
    ([f"tests/test_{part}.py" for part in PARTS], 120),
    (["tests"], 400),
]

SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.And: ast.Or, ast.Or: ast.And,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPPOSITES = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
DROPPABLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Raise, ast.Return, ast.Break, ast.Continue)


def others(value):
    """Other constants of the same type."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, float):
        return [value * 1.25 if value else 1.0]
    if isinstance(value, int):
        return [value + 1, value - 1]
    return [value + ("x" if isinstance(value, str) else b"x")]


def variants(node):
    """The mutants of one node, itself and not what is below it."""
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)) and type(node.op) in SWAPS:
        yield replaced(node, op=SWAPS[type(node.op)]())
    elif isinstance(node, ast.Compare):
        for table in (SWAPS, OPPOSITES):
            for i, op in enumerate(node.ops):
                if type(op) in table:
                    yield replaced(node, ops=[*node.ops[:i], table[type(op)](), *node.ops[i + 1 :]])
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str, bytes)):
        for value in others(node.value):
            yield replaced(node, value=value)
    elif isinstance(node, ast.Call):
        for i, keyword in enumerate(node.keywords):
            if keyword.arg:
                yield replaced(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])
    elif isinstance(node, DROPPABLE):
        yield ast.Pass()
    if isinstance(node, (ast.If, ast.While)):
        yield replaced(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension) and node.ifs:
        yield replaced(node, ifs=[])


def replaced(node, **fields):
    node = copy.copy(node)
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def sites(node, parent=None):
    """(node, the node whose source is written anew for it) for all that may change, from top to bottom."""
    for name, value in ast.iter_fields(node):
        children = [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]
        for i, child in enumerate(children):
            text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            docstring = text and name == "body" and i == 0
            if name in ("annotation", "returns") or docstring or isinstance(child, (ast.Import, ast.ImportFrom)):
                continue
            # Within f-strings older Pythons do not know the places of expressions: the whole string is written anew.
            whole = parent or (child if isinstance(child, ast.JoinedStr) else None)
            yield child, whole
            yield from sites(child, whole)


def mutants(source):
    """(line, the line as it was, as it is now, the whole text) for each mutant of a program's text."""
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    place = lambda line, column: starts[line - 1] + len(lines[line - 1].encode()[:column].decode())  # noqa: E731
    for node, whole in sites(tree):
        for variant in variants(node):
            target = whole or node
            if isinstance(node, ast.comprehension):  # it has no place of its own: its first condition has
                target, text = node.ifs[0], "True"
            elif whole:
                text = ast.unparse(substituted(whole, node, variant))
            else:
                text = ast.unparse(variant)
            if isinstance(node, (ast.If, ast.While)):  # the condition alone, the body stays as it is written
                target, text = node.test, f"(not ({ast.unparse(node.test)}))"
            elif isinstance(node, ast.expr):
                text = f"({text})"
            start = place(target.lineno, target.col_offset)
            end = place(target.end_lineno, target.end_col_offset)
            changed = source[:start] + text.replace("\n", " ") + source[end:]
            yield target.lineno, source[start:end], text, changed


def substituted(tree, node, variant):
    """tree with variant in the place of node."""
    if tree is node or not isinstance(tree, ast.AST):
        return variant if tree is node else tree
    fields = {}
    for name, value in ast.iter_fields(tree):
        if isinstance(value, list):
            fields[name] = [substituted(item, node, variant) for item in value]
        elif isinstance(value, ast.AST):
            fields[name] = substituted(value, node, variant)
    return replaced(tree, **fields)


def limit_memory():
    if resource:
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))


def survives(folder):
    """Whether every test passes in folder: None if they run out of time."""
    for arguments, seconds in STAGES:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments]
        try:
            done = subprocess.run(
                command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                timeout=seconds, preexec_fn=limit_memory if resource else None,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="how many to run at a time (default: 2)")
    parser.add_argument("--only", default="", help="only the mutants whose line has this text")
    parser.add_argument("--list", action="store_true", help="print them and run nothing")
    arguments = parser.parse_args()
    todo = []
    for name in PROGRAMS:
        source = (ROOT / name).read_text(encoding="utf-8")
        lines = source.splitlines()
        todo += [(name, *m) for m in mutants(source) if arguments.only in lines[m[0] - 1]]
    if arguments.list:
        for name, line, before, after, _ in todo:
            print(f"{name}:{line}: {before!r} -> {after!r}")
    print(f"{len(todo)} mutants")
    if arguments.list:
        return
    with tempfile.TemporaryDirectory() as folder:
        copies = queue.Queue()
        for i in range(arguments.jobs):
            place = pathlib.Path(folder, str(i))
            shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(".git", ".venv", ".tox", "__pycache__"))
            copies.put(place)
        if not survives(place):
            sys.exit("mutants: the tests fail without any change")

        def judge(mutant):
            name, line, before, after, text = mutant
            place = copies.get()
            try:
                (place / name).write_text(text, encoding="utf-8")
                alive = survives(place)
            finally:
                shutil.copy(ROOT / name, place / name)
                copies.put(place)
            if alive is not False:
                kind = "survives" if alive else "runs out of time"
                print(f"{kind}: {name}:{line}: {before!r} -> {after!r}", flush=True)
            return alive

        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            fates = list(pool.map(judge, todo))
    killed, endless, minutes = fates.count(False), fates.count(None), (time.monotonic() - start) / 60
    print(f"{killed + endless} of {len(todo)} killed, {(killed + endless) / len(todo):.1%}, in {minutes:.0f} minutes;")
    print(f"{endless} of these ran out of time, {fates.count(True)} survive")


if __name__ == "__main__":
    main()

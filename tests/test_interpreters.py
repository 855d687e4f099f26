"""Every interpreter here prints the same bytes and computes the same losses, to the last bit.

To the bit on one machine, that is: exp, log and pow come from the C library, which all of them share here. The other
interpreters are looked for on PATH, by the names in NAMES; tox runs the whole suite with each of them.
"""

import builtins
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from test_golden import RUNS, argv

import microgpt
import random_compat

NAMES = ["python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14", "pypy3"]

# In one process: main() for each list of arguments. What it prints comes out as it is, a loss in hexadecimal.
PROBE = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
import microgpt
train = microgpt.train
def telling(*arguments):
    for step, loss in train(*arguments):
        print(loss.hex(), file=sys.stderr)
        yield step, loss
microgpt.train = telling
for arguments in json.loads(sys.argv[1]):
    try:
        print(microgpt.main(arguments), file=sys.stderr)
    except SystemExit as stop:
        print(stop.code, file=sys.stderr)
"""

CASES = [argv(ROOT / RUNS[run][0], RUNS[run][1]) for run in ("seeded", "adam")]
CASES += [argv(ROOT / "tests" / RUNS[run][0], RUNS[run][1]) for run in ("scripts", "messy", "one")]
CASES += [
    [str(ROOT / "input.txt"), "--n-layer=3", "--n-embd=6", "--n-head=2", "--num-steps=10", "--init-std=0.3"],
    [str(ROOT / "input.txt"), "--learning-rate=0.1", "--num-steps=60", "--num-samples=5"],  # chaos: any bit counts
    [str(ROOT / "input.txt"), "--learning-rate=1e6"],
    ["--help"],
    ["--frobnicate"],
    ["--n-embd"],
    ["--n-embd=x"],
    ["--n-embd=15"],
    ["--learning-rate=fast", "--seed=1.5"],
    ["a.txt", "b.txt"],
    ["nowhere.txt"],
]


def probe(*python, **environment):
    """What an interpreter prints and computes: (stdout, stderr) of PROBE over CASES."""
    done = subprocess.run(
        [*python, "-c", PROBE, json.dumps(CASES)],
        capture_output=True, timeout=120, env={**os.environ, "COLUMNS": "80", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout, done.stderr.decode().splitlines()


@pytest.fixture(scope="module")
def here():
    """What this interpreter prints and computes."""
    return probe(sys.executable)


def test_the_probe_sees_what_it_should(here):
    """A probe that prints nothing, which all interpreters would do alike."""
    stdout, stderr = here
    assert stdout.count(b"| loss ") == 40 + 40 + 60 + 60 + 60 + 10 + 60 + 1
    assert sum(line.startswith("0x1.") or line == "0x0.0p+0" for line in stderr) >= 330
    assert [line for line in stderr if len(line) < 3] == ["0"] * 7 + ["2", "0"] + ["2"] * 7


@pytest.mark.parametrize("name", NAMES)
def test_another_interpreter_prints_and_computes_the_same(name, here):
    """What differs between versions and has come back: the built-in sum, compensated since 3.12; the order of a set;
    argparse's titles, usage and error messages; a draw of the random module."""
    python = shutil.which(name)
    if not python or subprocess.run([python, "-c", ""], stderr=subprocess.PIPE).returncode:
        pytest.skip(f"there is no {name} on PATH")
    assert probe(python) == here


@pytest.mark.parametrize(
    "options, environment",
    [
        ((), {"PYTHONHASHSEED": "0"}),
        ((), {"PYTHONHASHSEED": "12345"}),
        (("-OO",), {}),
        (("-X", "utf8=0"), {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1"}),
        (("-X", "dev", "-W", "error"), {}),
        (("-I", "-S"), {}),
    ],
    ids=["hash seed 0", "another hash seed", "no asserts, no docstrings", "no UTF-8", "warnings", "isolated"],
)
def test_a_setting_of_the_interpreter_changes_nothing(options, environment, here):
    """The order of a set of characters in the vocabulary; work done in an assert; a file or stdout in the system's
    encoding; a deprecated call; an import of something installed."""
    assert probe(sys.executable, *options, **environment) == here


def test_no_floats_are_added_by_the_builtin_sum(monkeypatch):
    """Another last digit from Python 3.12 on, caught by every version: sum() must never see two floats."""

    def guarded(iterable, /, start=0):
        items = list(iterable)
        assert not any(isinstance(item, float) for item in (*items, start)), "sum() of floats"
        return builtins.sum(items, start)

    for module in (microgpt, random_compat):
        monkeypatch.setattr(module, "sum", guarded, raising=False)
    with pytest.raises(AssertionError):
        microgpt.sum([0.5, 0.5])
    assert microgpt.main(argv(ROOT / "input.txt", {"num_steps": 3, "num_samples": 3})) == 0
    x = microgpt.Value(2.0)
    (microgpt.rmsnorm([x, x])[0] ** 2 / x - x.log()).backward()
    random_compat.Random(1).shuffle(list(range(9)))

"""The program prints what the reference prints: whole runs, stdout to the byte and losses to 1e-12.

The runs are the rows of golden/README.md. V8 and C libraries differ in the last digit of exp, log and pow."""

import os
import pathlib
import random as stdlib_random
import subprocess
import sys

import pytest
from conftest import GOLDEN, ROOT, flags

import microgpt


def table():
    """run -> (input, {setting: text}) from the rows of golden/README.md."""
    runs = {}
    for line in (GOLDEN / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("run", "---"):
            constants = dict(pair.split("=") for pair in cells[2].split())
            path = ROOT / cells[1] if cells[1] == "input.txt" else ROOT / "tests" / cells[1]
            runs[cells[0]] = (path, {{"std": "init_std"}.get(name, name): text for name, text in constants.items()})
    return runs

RUNS = table()

def run_and_compare(run, path, capfdbinary, monkeypatch):
    """main() in this process, its losses recorded on their way to the step lines."""
    losses, train = [], microgpt.train

    def recording_train(*arguments):
        for step, loss in train(*arguments):
            losses.append(loss)
            yield step, loss

    monkeypatch.setattr(microgpt, "train", recording_train)
    microgpt.main([str(path), *flags(RUNS[run][1])])
    assert capfdbinary.readouterr().out == (GOLDEN / f"{run}.stdout.txt").read_bytes()
    if losses:
        expected = [float(line) for line in (GOLDEN / f"{run}.losses.txt").read_text().split()]
        assert losses == pytest.approx(expected, rel=0, abs=1e-12)

@pytest.mark.parametrize("run", sorted(RUNS.keys() - {"names"}, key=lambda run: (run == "default", run)))
def test_stdout_and_losses_are_the_references(run, capfdbinary, monkeypatch):
    """Fails for another draw, order of operations, rounding of a loss, character, space or line end."""
    run_and_compare(run, RUNS[run][0], capfdbinary, monkeypatch)

@pytest.mark.skipif("MICROGPT_NAMES" not in os.environ, reason="set MICROGPT_NAMES to a copy of makemore's names.txt")
def test_the_run_on_names_txt_is_the_references(capfdbinary, monkeypatch):
    """The same on the reference's own dataset, which is not this project's to ship: kamon, ann, karai ..."""
    run_and_compare("names", pathlib.Path(os.environ["MICROGPT_NAMES"]), capfdbinary, monkeypatch)

@pytest.mark.parametrize(
    "run, python, environment",
    [
        ("scripts", ["-OO"], {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}),
        ("messy", ["-X", "dev", "-W", "error"], {"PYTHONHASHSEED": "12345", "PYTHONUTF8": "0", "LC_ALL": "C"}),
        ("one", ["-I", "-S"], {}),
    ],
)
def test_the_bytes_do_not_depend_on_the_interpreters_settings(run, python, environment):
    """Fails for the order of a set, work in an assert, the system's encoding, a deprecated call, anything installed."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import microgpt; microgpt.cli()"
    path, settings = RUNS[run]
    command = [sys.executable, *python, "-c", program, str(path), *flags(settings)]
    done = subprocess.run(command, capture_output=True, timeout=60, env={**os.environ, **environment})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (GOLDEN / f"{run}.stdout.txt").read_bytes()

def test_the_standard_generator_changes_no_byte(capfdbinary, monkeypatch):
    """Fails for a draw that random_compat makes and `import random` does not."""
    monkeypatch.setattr(microgpt, "random", stdlib_random)
    run_and_compare("seeded", ROOT / "input.txt", capfdbinary, monkeypatch)

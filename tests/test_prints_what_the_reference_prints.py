"""The program prints what the reference prints: whole runs, stdout to the byte, losses to 1e-12.

The runs are the rows of golden/README.md. V8 and C libraries differ in the last digit of exp, log
and pow.
"""

import os
import pathlib
import random as stdlib_random
import re
import subprocess
import sys

import pytest
from helpers import GOLDEN, INPUT, ROOT, flags

import microgpt

pytestmark = pytest.mark.slow


def table_of_runs():
    """run -> (input, {setting: text}) from the rows of golden/README.md."""
    runs = {}
    for line in (GOLDEN / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("run", "---"):
            settings = dict(pair.split("=") for pair in cells[2].split())
            if "std" in settings:
                settings["init_std"] = settings.pop("std")
            path = INPUT if cells[1] == "input.txt" else ROOT / "tests" / cells[1]
            runs[cells[0]] = (path, settings)
    return runs


RUNS = table_of_runs()


def test_each_run_has_its_files_and_each_file_its_run():
    """A row that is deleted does not make a golden file disappear from the suite."""
    assert sorted(RUNS) == sorted(path.name[:-11] for path in GOLDEN.glob("*.stdout.txt"))
    with_losses = {run for run, (_, settings) in RUNS.items() if settings.get("num_steps") != "0"}
    assert with_losses == {path.name[:-11] for path in GOLDEN.glob("*.losses.txt")}
    inputs = {path for path, _ in RUNS.values() if path.parent == GOLDEN}
    assert inputs == set(GOLDEN.glob("*.input.txt"))


def lines_of(stdout):
    """What was printed, a list with a text for each line and each step line."""
    return re.split(r"(?<=[\r\n])", stdout.decode("utf-8"))


def assert_same_output(stdout, run):
    """Every byte agrees. A failure names the first line that differs, such as step 2."""
    expected = (GOLDEN / f"{run}.stdout.txt").read_bytes()
    for ours, theirs in zip(lines_of(stdout), lines_of(expected)):
        assert ours == theirs
    same = stdout == expected
    assert same, f"{len(stdout)} bytes in place of {len(expected)}"


def assert_same_losses(losses, run):
    """All losses agree to 1e-12. A failure names the first step that differs."""
    if not losses:
        return
    expected = [float(line) for line in (GOLDEN / f"{run}.losses.txt").read_text().split()]
    for step, (ours, theirs) in enumerate(zip(losses, expected), start=1):
        assert ours == pytest.approx(theirs, rel=0, abs=1e-12), f"step {step}"
    assert len(losses) == len(expected)


@pytest.fixture
def run_and_compare(capfdbinary, monkeypatch):
    """main() in this process, compared with a golden run."""

    def run_golden(run, path):
        losses, train = [], microgpt.train

        def recording_train(*arguments):
            for step, loss in train(*arguments):
                losses.append(loss)
                yield step, loss

        monkeypatch.setattr(microgpt, "train", recording_train)
        microgpt.main([str(path), *flags(RUNS[run][1])])
        assert_same_output(capfdbinary.readouterr().out, run)
        assert_same_losses(losses, run)

    return run_golden


@pytest.mark.parametrize("run", sorted(RUNS.keys() - {"names"}, key=lambda run: run == "default"))
def test_stdout_and_losses_are_the_references(run, run_and_compare):
    """A whole run, with all that it draws, computes and prints."""
    run_and_compare(run, RUNS[run][0])


@pytest.mark.skipif(
    "MICROGPT_NAMES" not in os.environ,
    reason="set MICROGPT_NAMES to a copy of makemore's names.txt, which is not kept here",
)
def test_the_run_on_names_txt_is_the_references(run_and_compare):
    """The same on the reference's own dataset: kamon, ann, karai ..."""
    run_and_compare("names", pathlib.Path(os.environ["MICROGPT_NAMES"]))


INTERPRETERS = {
    "without docstrings, in Latin-1": (
        "scripts",
        ["-OO"],
        {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "latin-1", "LC_ALL": "C"},
    ),
    "with every warning an error": (
        "messy",
        ["-X", "dev", "-W", "error"],
        {"PYTHONHASHSEED": "12345", "PYTHONUTF8": "0", "LC_ALL": "C"},
    ),
    "isolated, without site-packages": ("one", ["-I", "-S"], {}),
}


@pytest.mark.parametrize("name", INTERPRETERS)
def test_the_bytes_do_not_depend_on_the_interpreters_settings(name):
    """Neither on the order of a set, nor an assert, nor the system's encoding, nor a package."""
    run, python, environment = INTERPRETERS[name]
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import microgpt; microgpt.cli()"
    path, settings = RUNS[run]
    done = subprocess.run(
        [sys.executable, *python, "-c", program, str(path), *flags(settings)],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert_same_output(done.stdout, run)


def test_the_standard_generator_changes_no_byte(run_and_compare, monkeypatch):
    """With `import random` in place of random_compat, a run prints the same."""
    monkeypatch.setattr(microgpt, "random", stdlib_random)
    run_and_compare("seeded", INPUT)

"""Whole runs against what the reference printed, byte for byte, and its losses to 1e-12.

The runs are the rows of the table in golden/README.md; the files beside it are the reference's output.
"""

import math
import random as stdlib_random
import re
import sys

import pytest
from conftest import ROOT

import microgpt

GOLDEN = ROOT / "tests" / "golden"
LOSS_TOLERANCE = 1e-12  # V8 and a C library differ in the last digit of exp, log and pow


def table():
    """run -> (input, {setting: text}) from the rows of golden/README.md."""
    runs = {}
    for line in (GOLDEN / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("run", "---"):
            constants = dict(pair.split("=") for pair in cells[2].split())
            runs[cells[0]] = (cells[1], {{"std": "init_std"}.get(name, name): text for name, text in constants.items()})
    return runs


RUNS = table()


def argv(path, settings):
    return [str(path)] + [f"--{name.replace('_', '-')}={text}" for name, text in settings.items()]


def expected_losses(run):
    return [float(line) for line in (GOLDEN / f"{run}.losses.txt").read_text().split()]


def run_and_compare(run, path, capfdbinary, monkeypatch):
    """main() in this process, its losses recorded on their way to the step lines."""
    losses, train = [], microgpt.train

    def recording_train(*arguments):
        for step, loss in train(*arguments):
            losses.append(loss)
            yield step, loss

    monkeypatch.setattr(microgpt, "train", recording_train)
    assert microgpt.main(argv(path, RUNS[run][1])) == 0
    assert capfdbinary.readouterr().out == (GOLDEN / f"{run}.stdout.txt").read_bytes()
    if losses:
        expected = expected_losses(run)
        assert len(losses) == len(expected)
        assert max(abs(a - b) for a, b in zip(losses, expected)) <= LOSS_TOLERANCE


@pytest.mark.parametrize("run", [run for run in RUNS if run != "names"])
def test_stdout_is_the_references(run, capfdbinary, monkeypatch):
    """Whatever else goes wrong: another draw, order of operations, rounding of a loss, character, space or line end."""
    path = RUNS[run][0]
    run_and_compare(run, ROOT / path if path == "input.txt" else ROOT / "tests" / path, capfdbinary, monkeypatch)


def test_stdout_on_names_txt_is_the_references(names_txt, capfdbinary, monkeypatch):
    """The same on the reference's own dataset: kamon, ann, karai ..."""
    run_and_compare("names", names_txt, capfdbinary, monkeypatch)


def test_the_program_writes_the_same_bytes(command):
    """stdout in the system's encoding or with its line ends: main() above ran in a process whose stdout is pytest's."""
    for run in ("scripts", "one"):
        path, settings = RUNS[run]
        done = command(*argv(ROOT / "tests" / path, settings), env={"PYTHONIOENCODING": "latin-1", "LC_ALL": "C"})
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == (GOLDEN / f"{run}.stdout.txt").read_bytes()


def test_the_standard_generator_changes_no_byte(capfdbinary, monkeypatch):
    """A draw that random_compat makes and the standard library does not."""
    monkeypatch.setattr(microgpt, "random", stdlib_random)
    run_and_compare("seeded", ROOT / "input.txt", capfdbinary, monkeypatch)


@pytest.mark.parametrize("run", RUNS)
def test_the_golden_files_are_whole(run):
    """A golden file cut short or made with other settings than its row says: its step lines are checked against the
    digits of its losses, which came from another run of the reference."""
    steps = int(RUNS[run][1].get("num_steps", 1000))
    printed = (GOLDEN / f"{run}.stdout.txt").read_bytes().decode()
    found = re.findall(r"step +(\d+) / +(\d+) \| loss (\d+\.\d{4})\r", printed)
    assert [(int(i), int(n)) for i, n, _ in found] == [(i + 1, steps) for i in range(steps)]
    if steps:
        losses = expected_losses(run)
        assert all(math.isclose(float(text), loss, abs_tol=5.0001e-5) for (_, _, text), loss in zip(found, losses))
        assert len(losses) == steps


def test_the_gradients_are_pytorchs():
    """A gradient that the oracle, which was written beside this program, gets wrong in the same way: the loss of the
    first step, the norm of each matrix's gradient and a dozen entries, as PyTorch computes them in double precision."""
    config = microgpt.Config()
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(str(ROOT / "input.txt"))
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
    loss = microgpt.forward(tokenizer.encode(docs[0]), state_dict, config)
    loss.backward()
    names = set()
    for line in (GOLDEN / "pytorch.gradients.txt").read_text().splitlines():
        name, *where, expected = line.split()
        if name == "loss":
            ours = loss.data
        elif where == ["norm"]:
            ours = math.sqrt(math.fsum(p.grad**2 for row in state_dict[name] for p in row))
            names.add(name)
        else:
            row, column = map(int, where)
            ours = state_dict[name][row][column].grad
        assert ours == pytest.approx(float(expected), rel=LOSS_TOLERANCE), line
    assert names == set(state_dict)


def test_no_golden_file_is_left_over():
    """A file that no row explains, and no test reads."""
    known = {f"{run}.{kind}.txt" for run in RUNS for kind in ("stdout", "losses")} - {"untrained.losses.txt"}
    known |= {path.split("/")[1] for path, _ in RUNS.values() if "/" in path}
    known |= {"README.md", ".gitattributes", "pytorch.gradients.txt"}
    assert {path.name for path in GOLDEN.iterdir()} == known


def test_the_output_that_the_readme_shows():
    """An example that nobody has run: it is the default run's, on a terminal, where each step line covers the last."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```\n(num docs: .*?)```", readme, re.DOTALL)[1].splitlines()
    printed = (GOLDEN / "default.stdout.txt").read_bytes().decode().split("\n")
    assert shown == [line.rstrip("\r").split("\r")[-1] for line in printed[: len(shown)]]


def test_python_floats_are_doubles():
    """What all of this rests on."""
    assert sys.float_info.mant_dig == 53

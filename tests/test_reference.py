"""The program prints what the reference, microgpt.js, prints: whole runs, to the byte.

Losses are compared to 1e-12, since V8 and C libraries differ in the last digit of exp, log and pow.
golden/README.md says how the reference's output was made.
"""

import contextlib
import io
import itertools
import os
import pathlib
import re
import subprocess
import sys

import pytest
from helpers import GOLDEN, INPUT, ROOT

import microgpt
from microgpt import Config

pytestmark = pytest.mark.slow

# The settings of each run. Its documents are <run>.input.txt in golden/, or else input.txt.
RUNS = {
    # Documents longer than the block, and a head dimension of 6, which is no power of 2.
    "layers": {
        "num_steps": 15,
        "num_samples": 5,
        "n_embd": 18,
        "n_head": 3,
        "n_layer": 3,
        "block_size": 6,
    },
    # One head, and no earlier token to look back at.
    "onehead": {"num_steps": 15, "num_samples": 5, "n_embd": 5, "n_head": 1, "block_size": 1},
    # Every float setting changed, and a negative seed of three 32-bit words.
    "adam": {
        "num_steps": 40,
        "num_samples": 5,
        "learning_rate": 0.05,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps_adam": 1e-3,
        "init_std": 0.3,
        "temperature": 1.3,
        "seed": -(2**70),
    },
    # No training, and sampling that is nearly greedy.
    "untrained": {"num_steps": 0, "num_samples": 4, "temperature": 0.01},
    # Many scripts, and emoji.
    "scripts": {"num_steps": 60, "num_samples": 12, "temperature": 1},
    # A byte order mark, CRLF, NUL, blank lines, and blanks of Unicode inside and at the edges.
    "messy": {"num_steps": 60, "num_samples": 12, "temperature": 1},
    # One document, until the loss is 0: the reference computes -0 and prints 0.0000.
    "one": {"num_steps": 60, "num_samples": 3, "learning_rate": 0.05},
    # All defaults.
    "default": {},
}


def documents_of(run):
    """The path of a run's documents."""
    path = GOLDEN / f"{run}.input.txt"
    return path if path.exists() else INPUT


def assert_same_output(stdout, run):
    """Every byte agrees. A failure shows the first line or step line that differs."""
    expected = (GOLDEN / f"{run}.stdout.txt").read_bytes()
    ours, theirs = (re.split(rb"(?<=[\r\n])", output) for output in (stdout, expected))
    for our_line, their_line in itertools.zip_longest(ours, theirs):
        assert our_line == their_line


def assert_same_losses(losses, run):
    """All losses agree to 1e-12. A failure names the first step that differs."""
    expected = [float(line) for line in (GOLDEN / f"{run}.losses.txt").read_text().split()]
    for step, (ours, theirs) in enumerate(zip(losses, expected), start=1):
        assert ours == pytest.approx(theirs, rel=0, abs=1e-12), f"step {step}"
    assert len(losses) == len(expected)


def compare_with_the_reference(run, path, config, monkeypatch):
    """run() in this process prints what the reference has printed, and trains with its losses."""
    losses, train, stdout = [], microgpt.train, io.StringIO(newline="")

    def recording_train(*arguments):
        for step, loss in train(*arguments):
            losses.append(loss)
            yield step, loss

    monkeypatch.setattr(microgpt, "train", recording_train)
    with contextlib.redirect_stdout(stdout):
        microgpt.run(microgpt.load_docs(path), config)
    assert_same_output(stdout.getvalue().encode("utf-8"), run)
    if config.num_steps:
        assert_same_losses(losses, run)


@pytest.mark.parametrize("run", RUNS)
def test_stdout_and_losses_equal_the_reference(run, monkeypatch):
    """A whole run, with all that it draws, computes and prints."""
    compare_with_the_reference(run, documents_of(run), Config(**RUNS[run]), monkeypatch)


@pytest.mark.skipif(
    "MICROGPT_NAMES" not in os.environ,
    reason="set MICROGPT_NAMES to a copy of makemore's names.txt, which is not kept here",
)
def test_the_run_on_names_txt_equals_the_reference(monkeypatch):
    """The same on the reference's own dataset: kamon, ann, karai ..."""
    path = pathlib.Path(os.environ["MICROGPT_NAMES"])
    compare_with_the_reference("names", path, Config(), monkeypatch)


# run, options of Python, environment
INTERPRETERS = {
    "without docstrings and asserts, in Latin-1": (
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
    """The hash seed, asserts, warnings, the system's encoding and packages change no byte."""
    run, options, environment = INTERPRETERS[name]
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in RUNS[run].items()]
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import microgpt; microgpt.main()"
    done = subprocess.run(
        [sys.executable, *options, "-c", program, documents_of(run), *flags],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert_same_output(done.stdout, run)

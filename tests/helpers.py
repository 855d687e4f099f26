"""What several test modules use: paths, the program as a user starts it, and small tools."""

import pathlib
import subprocess
import sys

import pytest

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
PROGRAM = ROOT / "microgpt.py"
INPUT = ROOT / "input.txt"

# The error of a central difference is about STEP**2 = 1e-10 for functions as smooth as these, and
# rounding adds 1e-16 / STEP = 1e-11. TOLERANCE leaves room for steeper ones.
STEP = 1e-5
TOLERANCE = 1e-7


def central_differences(f, values):
    """The slope of the number f() in the data of each of values."""
    slopes = []
    for value in values:
        x = value.data
        value.data = x + STEP
        above = f()
        value.data = x - STEP
        below = f()
        value.data = x
        slopes.append((above - below) / (2 * STEP))
    return slopes


def assert_gradients_match(f, *numbers):
    """backward() of f(*Values) agrees with central differences, for each of numbers."""
    values = [microgpt.Value(float(x)) for x in numbers]
    f(*values).backward()
    expected = central_differences(lambda: f(*values).data, values)
    assert [v.grad for v in values] == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)


def data_of(values):
    """The numbers of a list of Values."""
    return [value.data for value in values]


def parameters_of(state_dict):
    """All weights, in the order of their matrices."""
    return [p for matrix in state_dict.values() for row in matrix for p in row]


def drawn_weights(config, vocab_size):
    """A state_dict drawn from the seed of config."""
    microgpt.random.seed(config.seed)
    return microgpt.init_state_dict(config, vocab_size)


def before_the_first_step():
    """The default run before it trains: documents, tokenizer, weights, settings."""
    config = microgpt.Config()
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(INPUT)
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    return docs, tokenizer, microgpt.init_state_dict(config, tokenizer.vocab_size), config


def flags(settings):
    """{"num_steps": 3} as arguments of the command line."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


def run_program(*arguments, **options):
    """Runs microgpt.py in a process to its end. stdout and stderr come back as bytes."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60, **options}
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, check=False, **options)

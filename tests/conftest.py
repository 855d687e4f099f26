"""What several test modules need: where things are, and the program as a user starts it."""

import importlib.util
import os
import pathlib
import subprocess
import sys
from unittest.mock import MagicMock

import pytest

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
PROGRAM = ROOT / "microgpt.py"

try:
    from hypothesis import HealthCheck, assume, given, settings
    from hypothesis import strategies as st

    settings.register_profile(
        "suite", derandomize="CI" in os.environ, deadline=None, suppress_health_check=list(HealthCheck)
    )
    settings.load_profile("suite")
except ImportError:  # the tests that need it are skipped, all others run
    given = settings = lambda *_, **__: pytest.mark.skip(reason="pip install hypothesis")
    assume, st = None, MagicMock()

def pytest_addoption(parser):
    if not importlib.util.find_spec("pytest_timeout"):  # its setting stands in pyproject.toml
        parser.addini("timeout", "ignored: pip install pytest-timeout")

@pytest.fixture(autouse=True)
def ordinary_environment(monkeypatch):
    """Whoever runs the tests may have set these. With an unbuffered stdout no missing flush would show."""
    for name in ("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONWARNINGS", "PYTHONDEVMODE"):
        monkeypatch.delenv(name, raising=False)

def start(*arguments, python=(), **options):
    """Run the program in a process of its own. stdout and stderr come back as bytes."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60, **options}
    return subprocess.run([sys.executable, *python, str(PROGRAM), *map(str, arguments)], **options)

def flags(settings):
    """{"num_steps": 3} as command-line arguments."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]

def seeded(config, vocab_size):
    """A state_dict drawn from the config's seed."""
    microgpt.random.seed(config.seed)
    return microgpt.init_state_dict(config, vocab_size)

def parameters(state_dict):
    return [p for matrix in state_dict.values() for row in matrix for p in row]

def data(vector):
    return [x.data for x in vector]

def default_run():
    """The default run before its first step: documents, tokenizer, weights, settings."""
    config = microgpt.Config()
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(str(ROOT / "input.txt"))
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    return docs, tokenizer, microgpt.init_state_dict(config, tokenizer.vocab_size), config

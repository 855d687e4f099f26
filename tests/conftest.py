"""What several test modules need: where things are, the program as a user starts it, one more forward pass."""

import gc
import importlib.util
import math
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


@pytest.fixture(autouse=True, scope="session")
def rare_collections():
    """The command does without the cyclic collector. Runs in this process are a tenth faster if it seldom looks."""
    if hasattr(gc, "set_threshold"):
        gc.set_threshold(100_000)


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


def plain_logits(tokens, state_dict, config):
    """The model a second time, written from the literature: matrices of floats, all positions at once, a causal mask,
    no cache and no graph. The logits after each token."""
    weights = {name: [data(row) for row in matrix] for name, matrix in state_dict.items()}

    def times(rows, w):
        return [[math.fsum(a * b for a, b in zip(row, column)) for column in w] for row in rows]

    def normalized(rows):
        return [[a / math.sqrt(math.fsum(b * b for b in row) / len(row) + 1e-5) for a in row] for row in rows]

    def added(left, right):
        return [[a + b for a, b in zip(*rows)] for rows in zip(left, right)]

    x = normalized(added([weights["wte"][token] for token in tokens], weights["wpe"]))
    d = config.n_embd // config.n_head
    for layer in (f"layer{li}." for li in range(config.n_layer)):
        q, k, v = (times(normalized(x), weights[layer + name]) for name in ("attn_wq", "attn_wk", "attn_wv"))
        mixed = [[0.0] * config.n_embd for _ in tokens]
        for i in range(len(tokens)):
            for start in range(0, config.n_embd, d):
                head = range(start, start + d)
                scores = [math.fsum(q[i][c] * k[j][c] for c in head) / math.sqrt(d) for j in range(len(tokens))]
                seen = [math.exp(score) if j <= i else 0.0 for j, score in enumerate(scores)]
                for c in head:
                    mixed[i][c] = math.fsum(s * v[j][c] for j, s in enumerate(seen)) / math.fsum(seen)
        x = added(times(mixed, weights[layer + "attn_wo"]), x)
        hidden = [[max(0.0, a) for a in row] for row in times(normalized(x), weights[layer + "mlp_fc1"])]
        x = added(times(hidden, weights[layer + "mlp_fc2"]), x)
    return times(x, weights["lm_head"])


def plain_loss(tokens, state_dict, config):
    """The mean of -log(probability of the next token), from plain_logits."""
    n = min(config.block_size, len(tokens) - 1)
    rows = plain_logits(tokens[:n], state_dict, config)
    surprises = [
        math.log(math.fsum(map(math.exp, row))) - row[target] for row, target in zip(rows, tokens[1 : n + 1])
    ]
    return math.fsum(surprises) / n

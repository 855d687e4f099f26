"""Training is Adam, in flat memory, and ends with one line where the loss is no number."""

import json
import math
import re
import subprocess
import sys

import pytest
from helpers import INPUT, ROOT, data_of, drawn_weights, flags, parameters_of

import microgpt
from microgpt import Config, Tokenizer, document_loss, train

DOCS = ["emma", "anna", "isabella", "bob", "christopherus maximus"]

# Adam


def moves_of(config):
    """For each step, how far each weight moves that has a gradient."""
    tokenizer = Tokenizer(DOCS)
    state_dict = drawn_weights(config, tokenizer.vocab_size)
    params = parameters_of(state_dict)
    before, moves = data_of(params), []
    for _ in train(DOCS, tokenizer, state_dict, config):
        after = data_of(params)
        moves.append([abs(x - y) for x, y, p in zip(before, after, params) if abs(p.grad) > 1e-3])
        before = after
    return moves


def test_in_the_first_step_each_weight_moves_by_the_rate():
    """Both means are corrected for their start at 0: m_hat is g, and the root of v_hat is |g|."""
    [moves] = moves_of(Config(n_embd=4, n_head=2, num_steps=1))
    assert len(moves) > 50
    assert (min(moves), max(moves)) == pytest.approx((0.01, 0.01), rel=1e-4)


def test_the_rate_decays_linearly():
    """Without memory (both betas 0), each step moves a weight by the rate of that step."""
    steps = moves_of(Config(n_embd=4, n_head=2, num_steps=4, beta1=0.0, beta2=0.0))
    for moves, rate in zip(steps, [0.01, 0.0075, 0.005, 0.0025]):
        assert len(moves) > 50
        assert (min(moves), max(moves)) == pytest.approx((rate, rate), rel=1e-4)


def adam_by_the_paper(docs, tokenizer, state_dict, config):
    """Yields the loss of each step: Kingma and Ba (2014), algorithm 1, in plain floats."""
    params = parameters_of(state_dict)
    m, v = [0.0] * len(params), [0.0] * len(params)
    for t in range(1, config.num_steps + 1):
        loss = document_loss(tokenizer.encode(docs[(t - 1) % len(docs)]), state_dict, config)
        for p in params:
            p.grad = 0.0
        loss.backward()
        rate = config.learning_rate * (config.num_steps - t + 1) / config.num_steps
        for i, p in enumerate(params):
            m[i] += (1 - config.beta1) * (p.grad - m[i])
            v[i] += (1 - config.beta2) * (p.grad**2 - v[i])
            m_hat = m[i] / (1 - config.beta1**t)
            v_hat = v[i] / (1 - config.beta2**t)
            p.data -= rate * m_hat / (v_hat**0.5 + config.eps_adam)
        yield loss.data


ADAM = {
    "defaults": {"num_steps": 7},
    "others": {
        "num_steps": 6,
        "learning_rate": 0.2,
        "beta1": 0.5,
        "beta2": 0.9,
        "eps_adam": 1e-3,
    },
}


@pytest.mark.parametrize("name", ADAM)
def test_training_is_adam(name):
    """Step numbers, losses and weights are those of the paper's formulas with a linear decay."""
    config = Config(n_embd=4, n_head=2, block_size=8, init_std=0.3, **ADAM[name])
    tokenizer = Tokenizer(DOCS)
    ours, theirs = (drawn_weights(config, tokenizer.vocab_size) for _ in range(2))
    expected = adam_by_the_paper(DOCS, tokenizer, theirs, config)
    for (step, loss), (t, their_loss) in zip(
        train(DOCS, tokenizer, ours, config), enumerate(expected, start=1)
    ):
        assert (step, loss) == (t, pytest.approx(their_loss, rel=1e-12))
        for matrix_name, matrix in ours.items():
            for row, their_row in zip(matrix, theirs[matrix_name]):
                assert data_of(row) == pytest.approx(data_of(their_row), rel=1e-9, abs=1e-12), (
                    f"step {step}, {matrix_name}"
                )
    assert step == config.num_steps


def test_gradients_from_before_training_do_not_count():
    """A backward() that a user has called leaves no trace in the first step."""
    config = Config(n_embd=4, n_head=2, num_steps=1)
    tokenizer = Tokenizer(DOCS)
    fresh, used = (drawn_weights(config, tokenizer.vocab_size) for _ in range(2))
    document_loss(tokenizer.encode("bob"), used, config).backward()
    for state_dict in (fresh, used):
        list(train(DOCS, tokenizer, state_dict, config))
    assert data_of(parameters_of(used)) == data_of(parameters_of(fresh))


def test_nothing_happens_before_the_loop():
    """train() is a generator: a step is taken when the loop asks for it, and not before."""
    config = Config(n_embd=4, n_head=2)
    tokenizer = Tokenizer(DOCS)
    state_dict = drawn_weights(config, tokenizer.vocab_size)
    before = data_of(parameters_of(state_dict))
    training = train(DOCS, tokenizer, state_dict, config)
    assert data_of(parameters_of(state_dict)) == before
    next(training)
    assert data_of(parameters_of(state_dict)) != before


# Many steps

ENDLESS = """
import gc, json, sys
import microgpt
count = getattr(sys, "getallocatedblocks", int)  # of memory that Python's objects take
if sys.implementation.name == "cpython":
    gc.disable()
config = microgpt.Config(n_embd=4, n_head=2, block_size=4, num_steps=5000)
docs, blocks, losses = ["ada", "bob", "cab", "dad"], [], []
tokenizer = microgpt.Tokenizer(docs)
state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
for step, loss in microgpt.train(docs, tokenizer, state_dict, config):
    losses = [*losses[-99:], loss]
    if step in (1000, 5000):
        blocks.append(count())
print(json.dumps([blocks, sum(losses) / 100]))
"""


@pytest.mark.slow
def test_5000_steps_in_flat_memory_learn_what_can_be_learned():
    """Step 5000 needs no more memory than step 1000, with the cyclic collector off.

    All that cannot be known is which of four names it is: log 4 over four tokens. (PyPy does not
    count blocks; there the test is about the loss alone.)
    """
    command = [sys.executable, "-c", ENDLESS]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, check=True, cwd=ROOT)
    (early, late), loss = json.loads(done.stdout)
    assert abs(late - early) < 1000
    assert math.log(4) / 4 - 0.001 < loss < math.log(4) / 4 + 0.01


# Extreme settings, four steps on input.txt. The losses and the samples are microgpt.js's.

EXTREME = {
    "the lowest epsilon": (
        {"eps_adam": 5e-324},
        [3.1416701487246295, 3.1723490140825206, 3.3467013258889797, 3.126772255887501],
        "pxolf",
    ),
    "no memory in Adam": (
        {"beta1": 0.0, "beta2": 0.0},
        [3.1416701487246295, 3.172349484739904, 3.3246723754910015, 3.1503633659996213],
        "pxome",
    ),
    "all weights 0": ({"init_std": 0.0}, [3.295836866004329] * 4, "ownlh"),
    "weights of 1e200, untrained": ({"init_std": 1e200, "num_steps": 0}, [], "ownlh"),
    "the lowest temperature": (
        {"temperature": 1e-300, "num_steps": 1},
        [3.1416701487246295],
        "jpjpyjjjpyrjpbj",
    ),
    "a rate of 0.5": (
        {"learning_rate": 0.5},
        [3.1416701487246295, 60.87815373323838, 26.359289116576633, 123.8608479047747],
        "hht",
    ),
    "large weights and a rate of 0.3": (
        {"init_std": 1.0, "learning_rate": 0.3},
        [192.1995056393529, 124.32095208648998, 407.36536957127475, 281.51971052341395],
        "hegiigibiqibiege",
    ),
}
DIVERGES = {
    "a rate of 1e6": (
        {"learning_rate": 1e6},
        [3.1416701487246295],
        "loss is inf at step 2",
    ),
    "a rate of 1e200": (
        {"learning_rate": 1e200},
        [3.1416701487246295, 3.295836866004329],
        "loss is nan at step 3",
    ),
    "a rate of 1e308, one step": (
        {"learning_rate": 1e308, "num_steps": 1},
        [3.1416701487246295],
        "the probabilities of the next token are nan",
    ),
    "weights of 1.15": ({"init_std": 1.15}, [288.5400276351903], "loss is nan at step 2"),
    "weights of 10": ({"init_std": 10.0}, [], "loss is inf at step 1"),
    "weights of 10, one step": (
        {"init_std": 10.0, "num_steps": 1},
        [],
        "loss is inf at step 1",
    ),
    "weights of 1e200": ({"init_std": 1e200}, [3.295836866004329], "loss is nan at step 2"),
    "weights of 1e308": ({"init_std": 1e308}, [], "loss is nan at step 1"),
}


def arguments_of(settings):
    return [str(INPUT), *flags({"num_steps": 4, "num_samples": 1, **settings})]


def losses_in(out):
    """The losses of the step lines, as they were printed."""
    return re.findall(r"\| loss (.*?)\r", out)


@pytest.mark.parametrize("name", EXTREME)
def test_an_extreme_run_that_has_numbers_goes_on_to_its_end(name, capsys):
    """The run is not stopped while the reference has numbers, and prints the same."""
    settings, losses, sample = EXTREME[name]
    microgpt.main(arguments_of(settings))
    out, err = capsys.readouterr()
    assert losses_in(out) == [f"{loss:.4f}" for loss in losses]
    assert (out.splitlines()[-1], err) == (f"sample  1: {sample}", "")


@pytest.mark.parametrize("name", DIVERGES)
def test_a_run_without_numbers_ends_with_one_line(name, capsys):
    """Losses up to there, then one line on stderr and exit status 1: no traceback, no samples."""
    settings, losses, line = DIVERGES[name]
    with pytest.raises(SystemExit) as stopped:
        microgpt.main(arguments_of(settings))
    out, err = capsys.readouterr()
    assert losses_in(out) == [f"{loss:.4f}" for loss in losses]
    advice = "try a lower --learning-rate or --init-std"
    assert (stopped.value.code, err) == (1, f"microgpt: error: {line}; {advice}\n")
    assert "sample" not in out

"""The model, training and sampling do what they promise: the cache equals recomputation, nothing looks ahead, weights
are drawn in order, Adam is Adam, a run that diverges ends with its line, and a sample begins with its prompt."""

import dataclasses
import json
import math
import random
import re
import subprocess
import sys

import pytest
from conftest import ROOT, data, flags, parameters, seeded
from second_model import plain_logits, plain_loss

import microgpt
from microgpt import Config, Tokenizer, Value, document_loss, gpt, init_state_dict, sample, softmax, train

CONFIGS = [
    Config(),
    Config(n_embd=12, n_head=2, n_layer=3, block_size=7, init_std=0.5),
    Config(n_head=1, init_std=0.3),
    Config(n_head=16),
]
VOCAB_SIZE = 9
TOKENS = [8, 3, 0, 3, 7, 1, 8]
DOCS = ["emma", "anna", "isabella", "bob", "christopherus maximus"]

each_config = pytest.mark.parametrize("config", CONFIGS, ids=["default", "three layers", "one head", "16 heads"])

def logits_of(tokens, state_dict, config):
    """The logits after each of tokens, as lists of Values."""
    keys, values = ([[] for _ in range(config.n_layer)] for _ in range(2))
    return [gpt(token_id, pos_id, keys, values, state_dict, config) for pos_id, token_id in enumerate(tokens)]

# The model

@each_config
def test_the_cache_equals_recomputation(config):
    """Fails for a cache that misses a token, heads mixed up, a scale or residual forgotten, or a look ahead."""
    state_dict = seeded(config, VOCAB_SIZE)
    cached = [data(logits) for logits in logits_of(TOKENS, state_dict, config)]
    for row, expected in zip(cached, plain_logits(TOKENS, state_dict, config)):
        assert row == pytest.approx(expected, rel=1e-12, abs=1e-13)
    changed = logits_of([*TOKENS[:4], 2, 5, 6], state_dict, config)
    assert [data(row) for row in changed[:4]] == cached[:4]

def test_softmax_gives_probabilities():
    """Fails for a sum other than 1, exp of large numbers, or another ratio than exp of the difference."""
    for numbers in ([0.5], [0.1, -2.0, 3.0], [1000.0, 0.0, 1000.0], [-1000.0, -1001.0]):
        probs = data(softmax([Value(x) for x in numbers]))
        assert math.fsum(probs) == pytest.approx(1, rel=1e-15) and min(probs) >= 0
        assert probs[0] / max(probs) == pytest.approx(math.exp(numbers[0] - max(numbers)), rel=1e-14)

@each_config
def test_weights_are_drawn_in_the_references_order(config):
    """Fails for a matrix drawn before another, a wrong shape, mean or deviation: the standard library draws again."""
    e, state_dict = config.n_embd, seeded(config, VOCAB_SIZE)
    shapes = {"wte": (VOCAB_SIZE, e), "wpe": (config.block_size, e), "lm_head": (VOCAB_SIZE, e)}
    for li in range(config.n_layer):
        for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
            shapes[f"layer{li}.{name}"] = (e, e)
        shapes[f"layer{li}.mlp_fc1"], shapes[f"layer{li}.mlp_fc2"] = (4 * e, e), (e, 4 * e)
    assert list(state_dict) == list(shapes)
    assert {name: (len(m), *{len(row) for row in m}) for name, m in state_dict.items()} == shapes
    rng = random.Random(config.seed)
    drawn = data(parameters(state_dict))
    assert drawn == [rng.gauss(0, config.init_std) for _ in drawn]

# The loss and training

def test_the_loss_is_the_mean_surprise_up_to_the_block_size():
    """Fails for a target off by one, a sum in place of a mean, or a document that runs past the block."""
    for settings in ({"block_size": 4}, {"block_size": 6}, {"block_size": 99}):
        config = Config(**settings)
        state_dict = seeded(config, VOCAB_SIZE)
        expected = plain_loss(TOKENS, state_dict, config)
        assert document_loss(TOKENS, state_dict, config).data == pytest.approx(expected, rel=1e-13)
    blank = init_state_dict(Config(init_std=0), VOCAB_SIZE)
    assert document_loss(TOKENS, blank, Config()).data == pytest.approx(math.log(VOCAB_SIZE), rel=1e-14)

@pytest.mark.parametrize(
    "settings",
    [{"num_steps": 7}, {"num_steps": 6, "learning_rate": 0.2, "beta1": 0.5, "beta2": 0.9, "eps_adam": 1e-3}],
)
def test_training_is_adam_by_hand(settings):
    """Fails for a moment, bias correction, decay, epsilon or order of documents that is not the paper's (Kingma and Ba,
    2014): here once more in plain floats. Gradients from before training must not count."""
    config = Config(n_embd=4, n_head=2, block_size=8, init_std=0.3, **settings)
    tokenizer = Tokenizer(DOCS)
    ours, twin = seeded(config, tokenizer.vocab_size), seeded(config, tokenizer.vocab_size)
    document_loss(tokenizer.encode("bob"), ours, config).backward()  # what a user may have computed before
    params, theirs = parameters(ours), parameters(twin)
    m, v = [0.0] * len(params), [0.0] * len(params)
    for t, (step, loss) in enumerate(train(DOCS, tokenizer, ours, config), start=1):
        root = document_loss(tokenizer.encode(DOCS[(t - 1) % len(DOCS)]), twin, config)
        assert (step, loss) == (t, pytest.approx(root.data, rel=1e-12))
        for p in theirs:
            p.grad = 0.0
        root.backward()
        for i, p in enumerate(theirs):
            m[i] += (1 - config.beta1) * (p.grad - m[i])
            v[i] += (1 - config.beta2) * (p.grad**2 - v[i])
            m_hat, v_hat = m[i] / (1 - config.beta1**t), v[i] / (1 - config.beta2**t)
            rate = config.learning_rate * (config.num_steps - t + 1) / config.num_steps
            p.data -= rate * m_hat / (v_hat**0.5 + config.eps_adam)
        assert data(params) == pytest.approx(data(theirs), rel=1e-9, abs=1e-12)

ENDLESS = f"""
import gc, json, sys
sys.path.insert(0, {str(ROOT)!r})
import microgpt
count = getattr(sys, "getallocatedblocks", int)  # of memory that Python's objects take
if hasattr(gc, "get_threshold"):
    gc.disable()
config = microgpt.Config(n_embd=4, n_head=2, block_size=4, num_steps=5000)
docs, blocks, losses = ["ada", "bob", "cab", "dad"], [], []
tokenizer = microgpt.Tokenizer(docs)
for step, loss in microgpt.train(docs, tokenizer, microgpt.init_state_dict(config, tokenizer.vocab_size), config):
    losses = [*losses[-99:], loss]
    if step in (1000, 5000):
        blocks.append(count())
print(json.dumps([blocks, sum(losses) / 100]))
"""

def test_5000_steps_learn_all_there_is_and_leave_nothing_behind():
    """Fails for memory that a step leaves behind, the collector being off, and for moments that fade. All that cannot
    be known is which of four names it is: ln 4 nats over four tokens."""
    done = subprocess.run([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, timeout=300, check=True)
    (early, late), loss = json.loads(done.stdout)
    assert abs(late - early) < 1000
    assert math.log(4) / 4 - 0.001 < loss < math.log(4) / 4 + 0.01

# Runs that diverge, and runs that only look like it

EXTREME = [  # settings, losses of microgpt.js, and its first sample or the line with which microgpt.py ends
    ({"learning_rate": 1e6}, "3.1416701487246295 Infinity", "loss is inf at step 2"),
    ({"learning_rate": 1e200}, "3.1416701487246295 3.295836866004329 NaN", "loss is nan at step 3"),
    ({"init_std": 1e200}, "3.295836866004329 NaN", "loss is nan at step 2"),
    ({"init_std": 1e308}, "NaN", "loss is nan at step 1"),
    ({"init_std": 1.15}, "288.5400276351903 NaN", "loss is nan at step 2"),
    ({"init_std": 10.0}, "Infinity", "loss is inf at step 1"),
    ({"learning_rate": 1e308, "num_steps": 1}, "3.1416701487246295", "probabilities are nan at temperature 0.5"),
    ({"temperature": 1e-320, "num_steps": 0}, "", "probabilities are nan at temperature 1e-320"),
    ({"init_std": 0.0}, "3.295836866004329 3.295836866004329 3.295836866004329 3.295836866004329", "ownlh"),
    ({"init_std": 1e200, "num_steps": 0}, "", "ownlh"),
    ({"init_std": 1.0, "learning_rate": 0.3},
     "192.1995056393529 124.32095208648998 407.36536957127475 281.51971052341395", "hegiigibiqibiege"),
    ({"learning_rate": 0.5}, "3.1416701487246295 60.87815373323838 26.359289116576633 123.8608479047747", "hht"),
    ({"eps_adam": 5e-324}, "3.1416701487246295 3.1723490140825206 3.3467013258889797 3.126772255887501", "pxolf"),
    ({"beta1": 0.0, "beta2": 0.0}, "3.1416701487246295 3.172349484739904 3.3246723754910015 3.1503633659996213",
     "pxome"),
    ({"temperature": 1e-300, "num_steps": 1}, "3.1416701487246295", "jpjpyjjjpyrjpbj"),
]  # fmt: skip

@pytest.mark.parametrize("settings, reference, end", EXTREME, ids=lambda value: str(value)[:40])
def test_a_run_that_diverges_ends_with_its_line_and_no_other(settings, reference, end, capsys):
    """Fails for a traceback, nan up to the last step, or a run that is stopped while the reference has numbers."""
    diverges, status = " is " in end or " are " in end, 0
    try:
        microgpt.main([str(ROOT / "input.txt"), *flags({"num_steps": 4, "num_samples": 1, **settings})])
    except SystemExit as stopped:
        status = stopped.code
    out, err = capsys.readouterr()
    assert (status, err) == (diverges, f"microgpt: error: {end}; try a lower learning_rate or init_std\n" * diverges)
    assert diverges or out.endswith(f"sample  1: {end}\n")
    losses = [float(word.replace("Infinity", "inf")) for word in reference.split()]
    assert re.findall(r"\| loss (.*?)\r", out) == [f"{loss:.4f}" for loss in losses if math.isfinite(loss)]

# Sampling

def test_a_sample_continues_its_prompt_as_the_model_would(monkeypatch):
    """Fails for a prompt that is printed but not read, or read at other positions than in training."""
    config = Config(n_embd=8, n_head=2, block_size=8, num_steps=150, temperature=0.01)
    tokenizer = Tokenizer(["abcd", "dcba"])
    state_dict = seeded(config, tokenizer.vocab_size)
    list(train(["abcd", "dcba"], tokenizer, state_dict, config))
    for prompt, expected in (("a", "abcd"), ("d", "dcba"), ("dc", "dcba"), ("abcd", "abcd")):
        prompted = dataclasses.replace(config, prompt=prompt)
        assert sample(tokenizer, state_dict, prompted) == expected
    full = dataclasses.replace(config, prompt="abcdabc", temperature=9.0)  # one place is left
    assert {len(sample(tokenizer, state_dict, full)) for _ in range(40)} == {7, 8}
    with pytest.raises(KeyError):
        sample(tokenizer, state_dict, dataclasses.replace(config, prompt="!"))
    many, draws = Tokenizer(["".join(map(chr, range(1000, 1300)))]), iter([[300]])
    monkeypatch.setattr(microgpt.random, "choices", lambda population, probs: next(draws))
    assert sample(many, seeded(config, many.vocab_size), config) == ""  # it ends with the first bos

"""What the parts of the model promise, each checked by itself."""

import dataclasses
import inspect
import itertools
import math
import random
import re
import subprocess
import sys
import typing

import oracle
import pytest
from conftest import ROOT

import microgpt
from microgpt import (
    Config,
    Tokenizer,
    Value,
    empty_cache,
    forward,
    gpt,
    init_state_dict,
    rmsnorm,
    sample,
    softmax,
    train,
)

CONFIGS = [
    Config(),
    Config(n_embd=12, n_head=3, n_layer=3, block_size=7, init_std=0.5),
    Config(n_head=1),
    Config(n_head=16),
]
VOCAB_SIZE = 9
TOKENS = [8, 3, 0, 3, 7, 1, 8]


@pytest.fixture(params=CONFIGS, ids=["default", "three layers", "one head", "16 heads"])
def config(request):
    return request.param


@pytest.fixture
def state_dict(config):
    microgpt.random.seed(config.seed)
    return init_state_dict(config, VOCAB_SIZE)


def logits_of(tokens, state_dict, config):
    """The logits after each of tokens, as lists of Values."""
    keys, values = empty_cache(config)
    return [gpt(token_id, pos_id, keys, values, state_dict, config) for pos_id, token_id in enumerate(tokens)]


def data(vector):
    return [x.data for x in vector]


def from_scratch(tokens, state_dict, config):
    """The logits after the last of tokens, without a cache: matrices of floats, all positions at once, and a causal
    mask."""
    weights = {name: [data(row) for row in matrix] for name, matrix in state_dict.items()}

    def times(rows, w):
        return [[math.fsum(a * b for a, b in zip(row, column)) for column in w] for row in rows]

    def normalized(rows):
        return [[a / math.sqrt(math.fsum(b * b for b in row) / len(row) + 1e-5) for a in row] for row in rows]

    def added(left, right):
        return [[a + b for a, b in zip(*rows)] for rows in zip(left, right)]

    x = normalized(added([weights["wte"][token] for token in tokens], weights["wpe"]))
    d = config.n_embd // config.n_head
    for layer in range(config.n_layer):

        def w(name, layer=layer):
            return weights[f"layer{layer}.{name}"]

        q, k, v = (times(normalized(x), w(name)) for name in ("attn_wq", "attn_wk", "attn_wv"))
        mixed = [[0.0] * config.n_embd for _ in tokens]
        for c in range(config.n_embd):
            head = range(c // d * d, c // d * d + d)
            for i in range(len(tokens)):
                seen = [
                    math.exp(math.fsum(q[i][e] * k[j][e] for e in head) / math.sqrt(d)) * (j <= i)
                    for j in range(len(tokens))
                ]
                mixed[i][c] = math.fsum(s * v[j][c] for j, s in enumerate(seen)) / math.fsum(seen)
        x = added(times(mixed, w("attn_wo")), x)
        hidden = [[max(0.0, a) for a in row] for row in times(normalized(x), w("mlp_fc1"))]
        x = added(times(hidden, w("mlp_fc2")), x)
    return times(x, weights["lm_head"])[-1]


def test_the_cache_equals_recomputation_from_scratch(config, state_dict):
    """A cache that misses a token or holds one twice; heads that read each other's part; a scale or a residual
    forgotten."""
    cached = logits_of(TOKENS, state_dict, config)
    for n in range(1, len(TOKENS) + 1):
        assert data(cached[n - 1]) == pytest.approx(from_scratch(TOKENS[:n], state_dict, config), rel=1e-12, abs=1e-13)


def test_a_later_token_never_changes_an_earlier_logit(config, state_dict):
    """A token that sees what comes after it: its value, or (through the gradient) any dependence on it."""
    one = logits_of(TOKENS[:4] + [2, 5, 6], state_dict, config)
    two = logits_of(TOKENS[:4] + [1, 1, 1], state_dict, config)
    assert [data(v) for v in one[:4]] == [data(v) for v in two[:4]]
    assert data(one[4]) != data(two[4])
    sum(one[3], Value(0.0)).backward()
    assert all(p.grad == 0 for row in (*state_dict["wpe"][4:], *(state_dict["wte"][t] for t in (2, 5, 6))) for p in row)
    assert all(any(p.grad for p in state_dict["wpe"][i]) for i in range(4))


def test_an_earlier_token_changes_a_later_logit(config, state_dict):
    """Attention that looks at its own position only."""
    one, two = (logits_of([first, 1, 2], state_dict, config)[-1] for first in (0, 5))
    assert data(one) != data(two)


def test_position_matters(config, state_dict):
    """A position embedding that is never added."""
    one, two = logits_of([4, 4], state_dict, config)
    assert data(one) != data(two)


def test_silent_units(config, state_dict):
    """A hidden unit left out though it is not silent, another one's weights read in its place, all units silent."""
    for li in range(config.n_layer):
        for unit, row in enumerate(state_dict[f"layer{li}.mlp_fc1"]):
            if unit % 3:
                continue
            for p in row:
                p.data = 0.0  # exactly at the edge of relu
    for mute in (False, True):
        if mute:
            for li in range(config.n_layer):
                state_dict[f"layer{li}.mlp_fc1"] = [
                    [Value(0.0) for _ in row] for row in state_dict[f"layer{li}.mlp_fc1"]
                ]
        logits = logits_of(TOKENS[:3], state_dict, config)[-1]
        assert data(logits) == pytest.approx(from_scratch(TOKENS[:3], state_dict, config), rel=1e-12, abs=1e-13)


def test_nan_in_a_hidden_unit_is_not_silenced():
    """A comparison that takes nan for a silent unit: the reference's loss is nan then, and ours would look healthy."""
    config = Config(block_size=4)
    state_dict = seeded(config)
    state_dict["layer0.mlp_fc1"][7][3].data = math.nan
    assert math.isnan(forward([8, 1, 2, 8], state_dict, config).data)


def test_gpt_extends_the_cache_by_one_row_a_layer(config, state_dict):
    keys, values = empty_cache(config)
    for pos_id, token_id in enumerate(TOKENS):
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        assert len(logits) == VOCAB_SIZE
        for cache in (keys, values):
            assert [[len(row) for row in layer] for layer in cache] == [[config.n_embd] * (pos_id + 1)] * config.n_layer


# softmax and rmsnorm


@pytest.mark.parametrize(
    "numbers",
    [[0.0], [1.0, 2.0, 3.0], [1000.0, -1000.0, 999.0], [-1000.0, -1000.0], [1e308, -1e308], [-745.0, 0.0, 3.0, 3.0]],
)
def test_softmax_makes_probabilities(numbers):
    """exp without the largest logit subtracted: an overflow at 1000, and 0 / 0 at -1000."""
    probs = data(softmax([Value(x) for x in numbers]))
    assert math.fsum(probs) == pytest.approx(1.0, rel=1e-15)
    assert all(0 <= p <= 1 for p in probs)
    assert sorted(range(len(probs)), key=lambda i: (probs[i], i)) == sorted(
        range(len(probs)), key=lambda i: (numbers[i], i)
    )


def test_softmax_by_hand():
    """Logits log(1), log(2), log(5), all moved by the same number: probabilities 1/8, 2/8, 5/8."""
    for shift in (0.0, 100.0, -100.0):
        probs = data(softmax([Value(math.log(x) + shift) for x in (1, 2, 5)]))
        assert probs == pytest.approx([0.125, 0.25, 0.625], rel=1e-12)


@pytest.mark.parametrize("numbers", [[3.0], [1.0, 2.0, -2.0], [1e6, 1.0, -5e5], [0.7] * 16])
def test_rms_is_1_after_rmsnorm(numbers):
    """A sum where the mean belongs, a power of +0.5, an epsilon of another size (it takes 5e-6 / mean square off the
    1)."""
    out = data(rmsnorm([Value(x) for x in numbers]))
    mean_square = math.fsum(x * x for x in numbers) / len(numbers)
    rms = math.sqrt(math.fsum(x * x for x in out) / len(out))
    assert rms == pytest.approx(math.sqrt(mean_square / (mean_square + 1e-5)), rel=1e-13)
    assert rms == pytest.approx(1.0, abs=2e-5)
    assert [b / a for a, b in zip(numbers, out)] == pytest.approx([out[0] / numbers[0]] * len(out))


def test_rmsnorm_of_nothing():
    """Division by zero where all elements are 0."""
    assert data(rmsnorm([Value(0.0)] * 4)) == [0.0] * 4


# Parameters


def test_parameters_number_order_and_draws(config):
    """A matrix with its sides exchanged, or drawn in another order: then every weight after it is another one."""
    state_dict = dict(seeded(config))
    shapes = {
        "wte": (VOCAB_SIZE, config.n_embd),
        "wpe": (config.block_size, config.n_embd),
        "lm_head": (VOCAB_SIZE, config.n_embd),
    }
    for li in range(config.n_layer):
        for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
            shapes[f"layer{li}.{name}"] = (config.n_embd, config.n_embd)
        shapes[f"layer{li}.mlp_fc1"] = (4 * config.n_embd, config.n_embd)
        shapes[f"layer{li}.mlp_fc2"] = (config.n_embd, 4 * config.n_embd)
    assert list(state_dict) == list(shapes)
    assert {name: (len(m), *{len(row) for row in m}) for name, m in state_dict.items()} == shapes
    rng = random.Random(config.seed)
    drawn = [p.data for m in state_dict.values() for row in m for p in row]
    assert drawn == [rng.gauss(0, config.init_std) for _ in drawn]


def seeded(config):
    microgpt.random.seed(config.seed)
    return init_state_dict(config, VOCAB_SIZE)


def test_the_default_model_has_4192_parameters():
    """With the 26 letters and bos, as the reference prints."""
    assert sum(len(row) for matrix in init_state_dict(Config(), 27).values() for row in matrix) == 4192


# Loss, training, sampling

DOCS = ["emma", "anna", "isabella", "bob", "christopherus maximus"]


def test_loss_of_a_model_that_knows_nothing():
    """All weights 0: every token has the same probability, the loss is ln(vocab_size)."""
    config = Config(init_std=0)
    microgpt.random.seed(0)
    loss = forward(TOKENS, init_state_dict(config, VOCAB_SIZE), config)
    assert loss.data == pytest.approx(math.log(VOCAB_SIZE), rel=1e-14)


def test_loss_is_the_mean_surprise_up_to_the_block_size():
    """A target off by one, a sum for a mean, a document that runs past the block."""
    config = Config(block_size=4)
    state_dict = seeded(config)
    surprises = [
        -math.log(softmax(v)[target].data) for v, target in zip(logits_of(TOKENS[:4], state_dict, config), TOKENS[1:])
    ]
    assert forward(TOKENS, state_dict, config).data == pytest.approx(math.fsum(surprises) / 4, rel=1e-14)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_steps": 8},
        {"num_steps": 6, "learning_rate": 0.2, "beta1": 0.5, "beta2": 0.9, "eps_adam": 1e-3, "n_embd": 4},
    ],
)
def test_training_is_the_oracles(settings):
    """Adam: bias correction, decay, the order of the documents, which start again when they are used up."""
    twin = oracle.Oracle(DOCS, **settings)
    config = Config(**settings)
    microgpt.random.seed(config.seed)
    docs = list(DOCS)
    microgpt.random.shuffle(docs)
    tokenizer = Tokenizer(docs)
    state_dict = init_state_dict(config, tokenizer.vocab_size)
    expected = [(step + 1, pytest.approx(twin.train_step(), rel=1e-12)) for step in range(config.num_steps)]
    assert list(train(docs, tokenizer, state_dict, config)) == expected
    params = [p for matrix in state_dict.values() for row in matrix for p in row]
    assert [p.data for p in params] == pytest.approx([p.data for p in twin.parameters], rel=1e-10, abs=1e-12)
    assert {p.grad for p in params} == {0.0}
    assert [sample(tokenizer, state_dict, config) for _ in range(5)] == [twin.sample() for _ in range(5)]


def test_the_first_step_of_adam_by_hand():
    """m = (1 - beta1) g and v = (1 - beta2) g^2, over their bias corrections: the step is learning_rate * g / (|g| +
    eps)."""
    config = Config(num_steps=10, eps_adam=1e-3)
    tokenizer = Tokenizer(DOCS)
    state_dict = seeded_for(tokenizer, config)
    params = [p for matrix in state_dict.values() for row in matrix for p in row]
    before = [p.data for p in params]
    forward(tokenizer.encode(DOCS[0]), state_dict, config).backward()
    grads = [p.grad for p in params]
    for p in params:
        p.grad = 0.0
    next(train(DOCS, tokenizer, state_dict, config))
    expected = [x - 0.01 * g / (abs(g) + 1e-3) for x, g in zip(before, grads)]
    assert [p.data for p in params] == pytest.approx(expected, rel=1e-12)


def seeded_for(tokenizer, config):
    microgpt.random.seed(config.seed)
    return init_state_dict(config, tokenizer.vocab_size)


def test_a_rate_of_0_changes_nothing():
    config = Config(num_steps=2, learning_rate=0)
    tokenizer = Tokenizer(DOCS)
    state_dict = seeded_for(tokenizer, config)
    before = {name: [data(row) for row in m] for name, m in state_dict.items()}
    assert len(list(train(DOCS, tokenizer, state_dict, config))) == 2
    assert {name: [data(row) for row in m] for name, m in state_dict.items()} == before


def test_training_lowers_the_loss():
    """Gradient ascent, or steps in no direction at all."""
    config = Config(num_steps=60, n_embd=8, n_head=2)
    tokenizer = Tokenizer(DOCS[:2])
    losses = [loss for _, loss in train(DOCS[:2], tokenizer, seeded_for(tokenizer, config), config)]
    assert losses[0] > 1.5 and losses[-1] < 0.4


INPUT = ROOT / "input.txt"
BOTH = "lower learning_rate or init_std"
THREE = BOTH + ", or raise temperature"
A = "a" * 16  # what the reference samples where all probabilities are NaN: its first character, up to the block size
# The samples of the reference stand here for the reader: there is nothing of ours to compare them with.
DIVERGING = [  # settings, losses of microgpt.js and its first sample, the line with which microgpt.py ends
    ({"learning_rate": 1e6}, "3.1416701487246295 Infinity NaN NaN", A, f"loss is inf at step 2: {BOTH}"),
    ({"learning_rate": 1e200}, "3.1416701487246295 3.295836866004329 NaN NaN", A, f"loss is nan at step 3: {BOTH}"),
    ({"learning_rate": 1e308}, "3.1416701487246295 NaN NaN NaN", A, f"loss is nan at step 2: {BOTH}"),
    ({"learning_rate": 1.0}, "3.1416701487246295 Infinity NaN NaN", A, f"loss is inf at step 2: {BOTH}"),
    ({"learning_rate": 1e308, "num_steps": 1}, "3.1416701487246295", A, f"probabilities are nan after step 1: {THREE}"),
    ({"init_std": 1e200}, "3.295836866004329 NaN NaN NaN", A, f"loss is nan at step 2: {BOTH}"),
    ({"init_std": 1e308}, "NaN NaN NaN NaN", A, "loss is nan at step 1: lower init_std"),
    ({"init_std": 1e100}, "Infinity NaN NaN NaN", A, "loss is inf at step 1: lower init_std"),
    ({"init_std": 1.15}, "288.5400276351903 NaN NaN NaN", A, f"loss is nan at step 2: {BOTH}"),
    ({"init_std": 10.0}, "Infinity NaN NaN NaN", A, "loss is inf at step 1: lower init_std"),
    ({"init_std": 1e308, "num_steps": 0}, "", A, f"probabilities are nan after step 0: {THREE}"),
    ({"temperature": 1e-320, "num_steps": 0}, "", A, f"probabilities are nan after step 0: {THREE}"),
]
STABLE = [  # settings that look as bad, losses of microgpt.js and its first sample: microgpt.py goes through with them
    ({"init_std": 0.0}, "3.295836866004329 3.295836866004329 3.295836866004329 3.295836866004329", "ownlh"),
    ({"init_std": 1e-320}, "3.295836866004329 3.295836866004329 3.295836866004329 3.295836866004329", "ownlh"),
    ({"init_std": 1e200, "num_steps": 0}, "", "ownlh"),
    ({"init_std": 1.0, "learning_rate": 0.3},
     "192.1995056393529 124.32095208648998 407.36536957127475 281.51971052341395", "hegiigibiqibiege"),
    ({"learning_rate": 0.5}, "3.1416701487246295 60.87815373323838 26.359289116576633 123.8608479047747", "hht"),
    ({"learning_rate": 0.3}, "3.1416701487246295 16.539570887365322 12.613003795045097 21.844553278772118",
     "traarrnrnranranr"),
    ({"learning_rate": 5e-324}, "3.1416701487246295 3.1811818013535147 3.365667651082872 3.1837181509895194", "pxnng"),
    ({"eps_adam": 5e-324}, "3.1416701487246295 3.1723490140825206 3.3467013258889797 3.126772255887501", "pxolf"),
    ({"eps_adam": 1e300}, "3.1416701487246295 3.1811818013535147 3.365667651082872 3.1837181509895194", "pxnng"),
    ({"beta1": 0.9999999999999999}, "3.1416701487246295 3.172349484739904 3.3489832822029006 3.1254739889205263",
     "pxolg"),
    ({"beta2": 0.9999999999999999}, "3.1416701487246295 3.172349484739904 3.346646965381958 3.126805099940233",
     "pxolf"),
    ({"beta1": 0.0, "beta2": 0.0}, "3.1416701487246295 3.172349484739904 3.3246723754910015 3.1503633659996213",
     "pxome"),
    ({"temperature": 1e300, "num_steps": 1}, "3.1416701487246295", "ownlh"),
    ({"temperature": 1e-300, "num_steps": 1}, "3.1416701487246295", "jpjpyjjjpyrjpbj"),
]  # fmt: skip


def losses_of_the_reference(text):
    return [float({"Infinity": "inf", "NaN": "nan"}.get(word, word)) for word in text.split()]


def argv_of(settings):
    settings = {"num_steps": 4, "num_samples": 1, **settings}
    return [str(INPUT), *(f"--{name.replace('_', '-')}={value}" for name, value in settings.items())]


@pytest.mark.parametrize("settings, reference, _sample, line", DIVERGING, ids=lambda value: str(value)[:40])
def test_divergence_ends_with_one_line(settings, reference, _sample, line, capsys):
    """A traceback; a page of nan, which is what the reference prints, up to the last step, before it samples its first
    character throughout; a line that does not say when, what and what to do; a run that is stopped too early."""
    expected = losses_of_the_reference(reference)
    with pytest.raises(SystemExit) as stopped:
        microgpt.main(argv_of(settings))
    out, err = capsys.readouterr()
    assert (stopped.value.code, err) == (2, f"microgpt: error: {line}\n")
    finite = list(itertools.takewhile(math.isfinite, expected))
    printed = re.findall(r"step +(\d+) / +\d+ \| loss (.*?)\r", out)
    assert printed == [(str(i + 1), f"{loss:.4f}") for i, loss in enumerate(finite)]
    if finite != expected:
        first_bad = expected[len(finite)]
        assert f"loss is {first_bad} at step {len(finite) + 1}:" in line


@pytest.mark.parametrize("settings, reference, first_sample", STABLE, ids=lambda value: str(value)[:40])
def test_what_stays_finite_is_not_refused(settings, reference, first_sample, capsys):
    """A bound on a setting, a loss or a gradient that stops a run which the reference finishes with numbers."""
    assert microgpt.main(argv_of(settings)) == 0
    out, err = capsys.readouterr()
    losses = [f"{loss:.4f}" for loss in losses_of_the_reference(reference)]
    assert (re.findall(r"\| loss (.*?)\r", out), out.split("\n")[-2]) == (losses, f"sample  1: {first_sample}")
    assert err == ""


def test_a_probability_of_0_is_reported():
    """log(0) as a ValueError: math domain error, or an infinite loss that is trained on."""
    config = Config(num_steps=1)
    tokenizer = Tokenizer(["ab"])
    state_dict = seeded_for(tokenizer, config)
    for row, number in zip(state_dict["lm_head"], (1e5, -1e5, 0.0)):
        for p in row:
            p.data *= number
    with pytest.raises(FloatingPointError, match="loss is inf at step 1"):
        list(train(["ab"], tokenizer, state_dict, config))


def test_samples_end_at_bos_or_at_the_block_size():
    """A sample that goes on after bos, contains it, or overruns the position embeddings."""
    config = Config(block_size=5, temperature=5)
    tokenizer = Tokenizer(DOCS)
    state_dict = seeded_for(tokenizer, config)
    lengths = {len(sample(tokenizer, state_dict, config)) for _ in range(300)}
    assert lengths == {0, 1, 2, 3, 4, 5}


def test_temperature():
    """Logits multiplied by the temperature, or not divided at all: close to 0 every sample is the likeliest one."""
    tokenizer = Tokenizer(DOCS)
    cold, hot = Config(temperature=1e-6), Config(temperature=2)
    state_dict = seeded_for(tokenizer, cold)
    assert len({sample(tokenizer, state_dict, cold) for _ in range(8)}) == 1
    assert len({sample(tokenizer, state_dict, hot) for _ in range(8)}) > 4


# Config


def test_the_defaults_are_the_references_constants():
    assert dataclasses.asdict(Config()) == {
        "n_embd": 16, "n_head": 4, "n_layer": 1, "block_size": 16, "init_std": 0.08, "learning_rate": 0.01,
        "beta1": 0.85, "beta2": 0.99, "eps_adam": 1e-8, "num_steps": 1000, "temperature": 0.5, "num_samples": 20,
        "seed": 42,
    }  # fmt: skip


NAN, INF = math.nan, math.inf
REFUSED = {
    "n_embd": [0, -4], "n_head": [0, -1], "n_layer": [0], "block_size": [0], "num_steps": [-1], "num_samples": [-1],
    "init_std": [-0.1, NAN, INF], "learning_rate": [-1e-9, NAN, INF, -INF], "beta1": [-0.1, 1.0, 1.5, NAN],
    "beta2": [-0.1, 1.0, INF, NAN], "eps_adam": [0.0, -1e-8, NAN, INF], "temperature": [0.0, -0.5, NAN, INF],
}  # fmt: skip
ALLOWED = {
    "n_embd": [4, 400], "n_head": [1, 16], "n_layer": [1], "block_size": [1], "num_steps": [0], "num_samples": [0],
    "init_std": [0.0, 1e300], "learning_rate": [0.0, 1e300], "beta1": [0.0, 0.999999], "beta2": [0.0],
    "eps_adam": [5e-324], "temperature": [5e-324, 1e300], "seed": [-1, 0, 10**400],
}  # fmt: skip


@pytest.mark.parametrize("name, value", [(name, value) for name, values in REFUSED.items() for value in values])
def test_settings_out_of_range_are_refused(name, value):
    """A bound that is missing, or on the wrong side; nan, which no comparison catches by itself."""
    with pytest.raises(ValueError, match=f"^{name} is "):
        Config(**{name: value})


@pytest.mark.parametrize("name, value", [(name, value) for name, values in ALLOWED.items() for value in values])
def test_settings_at_the_edge_are_taken(name, value):
    """A bound that shuts out what can be computed."""
    assert getattr(Config(**{name: value}), name) == value


def test_heads_divide_the_embedding():
    with pytest.raises(ValueError, match="multiple of n_head"):
        Config(n_embd=16, n_head=3)


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_embd = 32


# Tokenizer


def test_tokens():
    tokenizer = Tokenizer(["cab", "bad"])
    assert (tokenizer.uchars, tokenizer.bos, tokenizer.vocab_size) == (["a", "b", "c", "d"], 4, 5)
    assert tokenizer.encode("bad") == [4, 1, 0, 3, 4]
    assert tokenizer.decode([4, 1, 0, 3, 4]) == "bad"
    assert tokenizer.encode("") == [4, 4]
    with pytest.raises(KeyError):
        tokenizer.encode("bed")


def test_characters_are_sorted_by_utf16_units():
    """JavaScript sorts an emoji (a pair of surrogates, from U+D800) before a full-width letter (U+FF41)."""
    assert Tokenizer(["a\uff41\U0001f600z"]).uchars == ["a", "z", "\U0001f600", "\uff41"]


# Importing


@pytest.mark.skipif(sys.version_info < (3, 10), reason="before Python 3.10, X | Y cannot be evaluated")
def test_annotations_name_types():
    """A hint that no reader could look up: nothing evaluates them when the program runs."""
    functions = [f for f in vars(microgpt).values() if inspect.isfunction(f) and f.__module__ == "microgpt"]
    functions += [f for c in (Value, microgpt.Dot, Tokenizer) for f in vars(c).values() if inspect.isfunction(f)]
    assert len(functions) > 30
    for function in functions:
        assert "return" in typing.get_type_hints(function), function
    assert microgpt.Matrix == list[list[Value]]


def test_importing_does_nothing():
    """A module that trains, prints, reads input.txt or draws a number when it is imported."""
    code = "import random_compat as r; r.seed(1); import microgpt; print(r.random())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=30)
    assert (done.stdout.decode().strip(), done.stderr) == (str(random.Random(1).random()), b"")

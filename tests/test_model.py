"""The model is a GPT: weights in order, attention over a cache, probabilities, and a mean loss."""

import math
import random

import pytest
from helpers import data_of, drawn_weights, parameters_of
from second_model import plain_logits, plain_loss

from microgpt import Config, Value, attention, document_loss, gpt, init_state_dict, rmsnorm, softmax

CONFIGS = {
    "default": Config(),
    "three layers": Config(n_embd=12, n_head=2, n_layer=3, block_size=7, init_std=0.5),
    "one head": Config(n_head=1, init_std=0.3),
    "16 heads": Config(n_head=16),
    "no layer": Config(n_layer=0),
}
VOCAB_SIZE = 9
TOKENS = [8, 3, 0, 3, 7, 1, 8]

each_config = pytest.mark.parametrize("name", CONFIGS)


def logits_of(tokens, state_dict, config):
    """The logits after each of tokens, as lists of floats."""
    keys, values = [[] for _ in range(config.n_layer)], [[] for _ in range(config.n_layer)]
    return [
        data_of(gpt(token_id, pos_id, keys, values, state_dict, config))
        for pos_id, token_id in enumerate(tokens)
    ]


# Parameters


@each_config
def test_the_matrices_and_their_order(name):
    """Names and shapes of all matrices, in the order in which they are drawn."""
    config = CONFIGS[name]
    e = config.n_embd
    shapes = {"wte": (VOCAB_SIZE, e), "wpe": (config.block_size, e), "lm_head": (VOCAB_SIZE, e)}
    for li in range(config.n_layer):
        for matrix_name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
            shapes[f"layer{li}.{matrix_name}"] = (e, e)
        shapes[f"layer{li}.mlp_fc1"] = (4 * e, e)
        shapes[f"layer{li}.mlp_fc2"] = (e, 4 * e)
    state_dict = drawn_weights(config, VOCAB_SIZE)
    assert list(state_dict) == list(shapes)
    for matrix_name, matrix in state_dict.items():
        assert (len(matrix), *{len(row) for row in matrix}) == shapes[matrix_name], matrix_name


@each_config
def test_weights_are_drawn_row_by_row(name):
    """Each weight is the next normal deviate of the seed: random draws them again."""
    config = CONFIGS[name]
    rng = random.Random(config.seed)
    for matrix_name, matrix in drawn_weights(config, VOCAB_SIZE).items():
        for row in matrix:
            assert data_of(row) == [rng.gauss(0, config.init_std) for _ in row], matrix_name


# Functions


@pytest.mark.parametrize(
    "numbers", [[0.5], [0.1, -2.0, 3.0], [1000.0, 0.0, 1000.0], [-1000.0, -1001.0]]
)
def test_softmax_gives_probabilities(numbers):
    """They add up to 1, in the ratio of exp of the differences. Large numbers do not overflow."""
    probs = data_of(softmax([Value(x) for x in numbers]))
    assert math.fsum(probs) == pytest.approx(1, rel=1e-15)
    assert min(probs) >= 0
    assert probs[0] / max(probs) == pytest.approx(math.exp(numbers[0] - max(numbers)), rel=1e-14)


def test_rmsnorm_scales_to_a_mean_square_of_1():
    """3, 4, 0, 0 has a mean square of 25 / 4: each number is divided by 2.5. Zeros stay zeros."""
    assert data_of(rmsnorm([Value(x) for x in (3.0, 4.0, 0.0, 0.0)])) == pytest.approx(
        [1.2, 1.6, 0.0, 0.0], rel=1e-5
    )
    assert data_of(rmsnorm([Value(0.0)] * 3)) == [0.0] * 3


def matrix_of(rows):
    return [[Value(float(x)) for x in row] for row in rows]


def test_one_attention_step_by_hand():
    """The second of two tokens looks back. Every number here can be checked with a pencil.

    Four numbers for a token and one head, so head_dim is 4 and scores are divided by 2. The query
    is x doubled, the key is x and the value is x with its halves exchanged.

        first token    key (0, 1, 0, 0)    value (5, 6, 7, 8)
        second token   x = (1, 0, 0, 1)    query (2, 0, 0, 2)    key (1, 0, 0, 1)
                                           value (0, 1, 1, 0)
        scores         2*0 + 0*1 + 0*0 + 2*0 = 0 and 2*1 + 2*1 = 4, divided by 2: 0 and 2
        shares         1 / (1 + e^2) = 0.1192 and e^2 / (1 + e^2) = 0.8808
        mean           0.1192 * 5 = 0.5960                   0.1192 * 6 + 0.8808 = 1.5960
                       0.1192 * 7 + 0.8808 = 1.7152          0.1192 * 8 = 0.9536
        output         three times that
    """
    state_dict = {
        "layer0.attn_wq": matrix_of([[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 2]]),
        "layer0.attn_wk": matrix_of([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        "layer0.attn_wv": matrix_of([[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]),
        "layer0.attn_wo": matrix_of([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0], [0, 0, 0, 3]]),
    }
    keys, values = matrix_of([[0, 1, 0, 0]]), matrix_of([[5, 6, 7, 8]])
    [x] = matrix_of([[1, 0, 0, 1]])
    result = attention(x, 0, keys, values, state_dict, Config(n_embd=4, n_head=1))
    assert [data_of(key) for key in keys] == [[0, 1, 0, 0], [1, 0, 0, 1]]
    assert [data_of(value) for value in values] == [[5, 6, 7, 8], [0, 1, 1, 0]]
    by_hand = [3 * 0.5960, 3 * 1.5960, 3 * 1.7152, 3 * 0.9536]
    assert data_of(result) == pytest.approx(by_hand, abs=0.0005)


# The whole


@each_config
def test_the_cache_equals_recomputation(name):
    """Token by token with keys and values gives the logits of all positions at once with a mask."""
    config = CONFIGS[name]
    state_dict = drawn_weights(config, VOCAB_SIZE)
    cached = logits_of(TOKENS, state_dict, config)
    recomputed = plain_logits(TOKENS, state_dict, config)
    for pos_id, (row, expected) in enumerate(zip(cached, recomputed)):
        assert row == pytest.approx(expected, rel=1e-12, abs=1e-13), f"position {pos_id}"


@each_config
def test_nothing_looks_ahead(name):
    """Other tokens from position 4 on leave the logits of the first four as they were."""
    config = CONFIGS[name]
    state_dict = drawn_weights(config, VOCAB_SIZE)
    changed = logits_of([*TOKENS[:4], 2, 5, 6], state_dict, config)
    assert changed[:4] == logits_of(TOKENS, state_dict, config)[:4]


@pytest.mark.parametrize("block_size", [4, 6, 99])
def test_the_loss_is_the_mean_over_the_block(block_size):
    """-log(probability of the next token), averaged over the first block_size tokens."""
    config = Config(block_size=block_size)
    state_dict = drawn_weights(config, VOCAB_SIZE)
    expected = plain_loss(TOKENS, state_dict, config)
    assert document_loss(TOKENS, state_dict, config).data == pytest.approx(expected, rel=1e-13)


def test_the_loss_of_one_who_knows_nothing():
    """With weights of 0 every token has the same probability, and the loss is log(vocab_size)."""
    config = Config(init_std=0)
    blank = init_state_dict(config, VOCAB_SIZE)
    loss = document_loss(TOKENS, blank, config)
    assert loss.data == pytest.approx(math.log(VOCAB_SIZE), rel=1e-14)


def test_a_loss_of_0_is_not_minus_0():
    """One who is sure and right has a loss of 0, which is printed as 0.0000 and not as -0.0000."""
    config = Config(n_embd=4, n_head=1)
    state_dict = init_state_dict(config, 2)
    for matrix in state_dict.values():
        for p in (p for row in matrix for p in row):
            p.data = 0.0
    state_dict["wte"][1][0].data = 1.0
    state_dict["lm_head"][0][0].data = 1e6  # bos is always followed by token 0
    loss = document_loss([1, 0], state_dict, config)
    assert f"{loss.data:.4f}" == "0.0000"


def test_gradients_flow_back_through_the_cache():
    """The first token's key and value get a gradient from the second token's logits alone."""
    config = Config(n_embd=4, n_head=2)
    state_dict = drawn_weights(config, VOCAB_SIZE)
    keys, values = [[]], [[]]
    gpt(3, 0, keys, values, state_dict, config)
    sum(gpt(5, 1, keys, values, state_dict, config)).backward()
    assert all(p.grad for p in keys[0][0] + values[0][0])
    assert any(p.grad for p in parameters_of({"row": [state_dict["wte"][3]]}))

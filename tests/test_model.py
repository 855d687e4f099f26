"""The model is a GPT: weights in order, attention over a cache, probabilities, and a mean loss."""

import math

import pytest
from helpers import data_of, drawn_weights

import random_compat
from microgpt import (
    Config,
    Value,
    add,
    attention,
    document_loss,
    dot,
    empty_cache,
    gpt,
    init_state_dict,
    linear,
    mlp,
    parameters,
    rmsnorm,
    softmax,
)

VOCAB_SIZE = 9

# Parameters


@pytest.mark.parametrize("n_layer", [0, 1, 3])
def test_the_matrices_and_their_order(n_layer):
    """Names and shapes of all matrices, in the order in which they are drawn."""
    config = Config(n_embd=12, n_head=2, n_layer=n_layer, block_size=7)
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
        rows, columns = shapes[matrix_name]
        assert len(matrix) == rows, matrix_name
        assert [len(row) for row in matrix] == [columns] * rows, matrix_name


def test_weights_are_drawn_row_by_row():
    """Each weight is the next normal deviate of the seed, and parameters() has them in order."""
    config = Config(n_embd=4, n_head=2, n_layer=2, init_std=0.5, seed=7)
    generator = random_compat.Random(7)
    state_dict = drawn_weights(config, VOCAB_SIZE)
    for name, matrix in state_dict.items():
        for row in matrix:
            assert data_of(row) == [generator.gauss(0, 0.5) for _ in row], name
    generator.seed(7)
    in_order = data_of(parameters(state_dict))
    assert len(in_order) == sum(len(row) for matrix in state_dict.values() for row in matrix)
    assert in_order == [generator.gauss(0, 0.5) for _ in in_order]


# Functions


@pytest.mark.parametrize(
    "numbers",
    [
        [0.5],
        [0.1, -2.0, 3.0],
        [1000.0, 0.0, 1000.0],
        [0.0, 1000.0],
        [-1000.0, -1001.0],
        [1.0, -math.inf],
    ],
)
def test_softmax_gives_probabilities(numbers):
    """They add up to 1, in the ratio of exp of the differences. Large numbers do not overflow."""
    probs = data_of(softmax([Value(x) for x in numbers]))
    largest = max(numbers)
    total = math.fsum(math.exp(x - largest) for x in numbers)
    expected = [math.exp(x - largest) / total for x in numbers]
    assert probs == pytest.approx(expected, rel=1e-14, abs=0)
    assert math.fsum(probs) == pytest.approx(1, rel=1e-15, abs=0)


@pytest.mark.parametrize(
    "numbers", [[1.0, math.inf], [math.nan, 1.0], [1.0, math.nan, 2.0], [-math.inf, -math.inf]]
)
def test_softmax_raises_where_there_are_no_probabilities(numbers):
    """A score of inf or nan, or none above -inf: FloatingPointError, and no nan is passed on."""
    with pytest.raises(FloatingPointError):
        softmax([Value(x) for x in numbers])


def test_rmsnorm_scales_to_a_mean_square_of_1():
    """3, 4, 0, 0 has a mean square of 25 / 4: each number is divided by 2.5. Zeros stay zeros."""
    scaled = data_of(rmsnorm([Value(x) for x in (3.0, 4.0, 0.0, 0.0)]))
    assert scaled == pytest.approx([1.2, 1.6, 0.0, 0.0], rel=1e-5)
    assert data_of(rmsnorm([Value(0.0)] * 3)) == [0.0] * 3


def test_rmsnorm_adds_1e_5_to_the_mean_square():
    """A small number shows it: 0.001 becomes 0.001 / sqrt(0.000001 + 0.00001)."""
    assert data_of(rmsnorm([Value(0.001)])) == pytest.approx([0.30151134457776], rel=1e-12)


def matrix_of(rows):
    """A matrix of Values with these numbers."""
    return [[Value(float(x)) for x in row] for row in rows]


def test_linear_and_add_by_hand():
    """The second of these rows times (3, 1) is 2 * 3 - 4 * 1 = 2; vectors are added by place."""
    [x] = matrix_of([[3, 1]])
    assert data_of(linear(x, matrix_of([[1, 1], [2, -4], [0, 5]]))) == [4, 2, 5]
    assert data_of(add(x, x[::-1])) == [4, 4]
    assert data_of(add(x, [Value(10.0), Value(20.0)])) == [13, 21]


def test_dot_adds_without_compensation():
    """1e16 + 1 - 1e16 is 0 in floats. The built-in sum() gives 1 from Python 3.12 on."""
    numbers = [Value(1e16), Value(1.0), Value(-1e16)]
    assert dot(numbers, [Value(1.0)] * 3).data == 0.0


@pytest.mark.parametrize("lengths", [(2, 3), (3, 2)])
@pytest.mark.parametrize("function", [dot, add])
def test_vectors_of_different_lengths_are_refused(function, lengths):
    """Nothing is cut to the shorter one, and the message has both lengths."""
    a, b = ([Value(1.0)] * n for n in lengths)
    with pytest.raises(AssertionError, match=f"{lengths[0]} and {lengths[1]} numbers"):
        function(a, b)


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
        "layer5.attn_wq": matrix_of([[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 2]]),
        "layer5.attn_wk": matrix_of([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        "layer5.attn_wv": matrix_of([[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]),
        "layer5.attn_wo": matrix_of([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0], [0, 0, 0, 3]]),
    }
    keys, values = matrix_of([[0, 1, 0, 0]]), matrix_of([[5, 6, 7, 8]])
    [x] = matrix_of([[1, 0, 0, 1]])
    result = attention(x, 5, keys, values, state_dict, Config(n_embd=4, n_head=1))
    assert [data_of(key) for key in keys] == [[0, 1, 0, 0], [1, 0, 0, 1]]
    assert [data_of(value) for value in values] == [[5, 6, 7, 8], [0, 1, 1, 0]]
    by_hand = [3 * 0.5960, 3 * 1.5960, 3 * 1.7152, 3 * 0.9536]
    assert data_of(result) == pytest.approx(by_hand, abs=0.0005)


def test_each_head_looks_with_its_own_part():
    """Two heads of two numbers each. Scores are divided by the root of 2, which is 1.4142.

    The query is x times 2.8284, and key and value are x.

        first token    key (0, 1, 7, 7)    value (5, 6, 7, 8)
        second token   x = (1, 0, 0, 0)    query (2.8284, 0, 0, 0)
        first head     scores 0 and 2.8284, divided by 1.4142: 0 and 2. Shares 0.1192 and 0.8808
                       mean 0.1192 * 5 + 0.8808 * 1 = 1.4768 and 0.1192 * 6 = 0.7152
        second head    scores 0 and 0, shares 0.5 and 0.5, mean 3.5 and 4
    """
    one = matrix_of([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    state_dict = {f"layer5.attn_w{name}": one for name in "kvo"}
    state_dict["layer5.attn_wq"] = [[x * 8**0.5 for x in row] for row in one]
    keys, values = matrix_of([[0, 1, 7, 7]]), matrix_of([[5, 6, 7, 8]])
    [x] = matrix_of([[1, 0, 0, 0]])
    result = attention(x, 5, keys, values, state_dict, Config(n_embd=4, n_head=2))
    assert data_of(result) == pytest.approx([1.4768, 0.7152, 3.5, 4], abs=0.0001)


def test_mlp_by_hand():
    """The units have 2 * 3 - 1 * 1 = 5 and 1 * 3 - 4 * 1 = -1, which ReLU makes 0.

    The results are 10 * 5 + 100 * 0 = 50 and -1 * 5 + 7 * 0 = -5.
    """
    state_dict = {
        "layer5.mlp_fc1": matrix_of([[2, -1], [1, -4]]),
        "layer5.mlp_fc2": matrix_of([[10, 100], [-1, 7]]),
    }
    [x] = matrix_of([[3, 1]])
    assert data_of(mlp(x, 5, state_dict)) == [50, -5]


def test_two_layers_by_hand():
    """The token's row is (1, 3) and the position's is (2, 1). They add up to (3, 4).

    Divided by the root of the mean square, which is 12.5, this is u = (0.8485, 1.1314). From then
    on, x is a multiple of u, and each part of a layer first scales it back to u. In the first
    layer, attention and MLP each add u. In the second, attention multiplies it by 2 and by 2, and
    the MLP by 3 and by 2. So in the end x is (1 + 1 + 1 + 4 + 6) u = 13 u = (11.0309, 14.7078). It
    is not scaled again. The logits are its dot products with (1, 0), (0, 1) and (1, 1).
    """
    one, two, three = (matrix_of([[n, 0], [0, n]]) for n in (1, 2, 3))
    state_dict = {
        "wte": matrix_of([[9, 9], [9, 9], [1, 3]]),
        "wpe": matrix_of([[9, 9], [2, 1]]),
        "lm_head": matrix_of([[1, 0], [0, 1], [1, 1]]),
    }
    for li in (0, 1):
        state_dict.update({f"layer{li}.attn_w{name}": one for name in "qkvo"})
        state_dict[f"layer{li}.mlp_fc1"] = state_dict[f"layer{li}.mlp_fc2"] = one
    state_dict["layer1.attn_wv"] = state_dict["layer1.attn_wo"] = two
    state_dict["layer1.mlp_fc1"] = three
    state_dict["layer1.mlp_fc2"] = two
    config = Config(n_embd=2, n_head=1, n_layer=2)
    keys, values = empty_cache(config)
    logits = gpt(2, 1, keys, values, state_dict, config)
    assert data_of(logits) == pytest.approx([11.0309, 14.7078, 25.7387], abs=0.0002)
    assert [len(cache) for cache in keys + values] == [1] * 4


# The loss


@pytest.mark.parametrize("block_size, count", [(4, 4), (21, 21), (99, 21)])
def test_the_loss_is_the_mean_over_the_block(block_size, count):
    """-log(probability of the next token), averaged over the first block_size tokens."""
    tokens = [8, *[3, 0, 3, 7, 1] * 4, 8]
    config = Config(n_layer=2, block_size=block_size)
    state_dict = drawn_weights(config, VOCAB_SIZE)
    keys, values = empty_cache(config)
    losses = []
    for pos_id in range(count):
        logits = data_of(gpt(tokens[pos_id], pos_id, keys, values, state_dict, config))
        losses.append(math.log(math.fsum(map(math.exp, logits))) - logits[tokens[pos_id + 1]])
    loss = document_loss(tokens, state_dict, config)
    assert loss.data == pytest.approx(math.fsum(losses) / count, rel=1e-13, abs=0)


def test_a_loss_of_0_is_not_minus_0():
    """A sure and right guess has a loss of 0, which is printed as 0.0000 and not as -0.0000."""
    config = Config(n_embd=4, n_head=1, init_std=0)
    state_dict = init_state_dict(config, 2)
    state_dict["wte"][1][0].data = 1.0
    state_dict["lm_head"][0][0].data = 1e6  # bos is always followed by token 0
    loss = document_loss([1, 0], state_dict, config)
    assert f"{loss.data:.4f}" == "0.0000"

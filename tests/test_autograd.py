"""Every gradient, three times: against finite differences, against the op-by-op oracle, and by hand where a hand can.

Finite differences. The slope of f at x is estimated as (f(x + h) - f(x - h)) / 2h with h = 1e-5. The formula leaves out
h**2 / 6 times the third derivative, which is of the order of 1e-10 where that derivative is of the order of 1, and
rounding adds about 1e-16 * |f| / h = 1e-11 * |f|. TOLERANCE, 1e-7 of the slope or of 1 where the slope is smaller,
leaves
a thousandfold for steeper functions; a wrong rule, a lost path or a factor is off by far more than that.
"""

import math
import random

import oracle
import pytest

import microgpt
from microgpt import Dot, Value, cross_entropy, linear, rmsnorm, softmax

H, TOLERANCE = 1e-5, 1e-7
EXACT = 1e-12  # against the oracle, which does the same arithmetic in the same order


def slopes(f, values):
    """Central differences of the float f(*Values) in the data of each of values."""
    result = []
    for value in values:
        x = value.data
        value.data = x + H
        above = f(*values).data
        value.data = x - H
        below = f(*values).data
        value.data = x
        result.append((above - below) / (2 * H))
    return result


def check(f, *numbers):
    values = [Value(float(x)) for x in numbers]
    f(*values).backward()
    for value, slope in zip(values, slopes(f, values)):
        assert value.grad == pytest.approx(slope, rel=TOLERANCE, abs=TOLERANCE)


OPERATIONS = {
    "a + b": lambda a, b: a + b,
    "a + 3": lambda a, b: a + 3,
    "3 + a": lambda a, b: 3 + a,
    "a - b": lambda a, b: a - b,
    "a - 3": lambda a, b: a - 3,
    "3 - a": lambda a, b: 3 - a,
    "a * b": lambda a, b: a * b,
    "a * 3": lambda a, b: a * 3,
    "3 * a": lambda a, b: 3 * a,
    "a / b": lambda a, b: a / b,
    "b / a": lambda a, b: b / a,
    "a / 3": lambda a, b: a / 3,
    "3 / a": lambda a, b: 3 / a,
    "a ** 3": lambda a, b: a**3,
    "a ** -1": lambda a, b: a**-1,
    "a ** 1": lambda a, b: a**1,
    "a ** 0": lambda a, b: a**0,
    "-a": lambda a, b: -a,
    "exp": lambda a, b: a.exp(),
    "relu": lambda a, b: a.relu(),
    "a + a": lambda a, b: a + a,
    "a * a": lambda a, b: a * a,
    "a / a": lambda a, b: a / a,
    "augmented": lambda a, b: augmented(a, b),
    "all at once": lambda a, b: (a * b - b / (a * a + 1)).relu() + (a - 2 * b).exp() / 7 + (a * a + 0.5).log(),
}
POSITIVE_OPERATIONS = {
    "a ** b": lambda a, b: a**b,
    "b ** a": lambda a, b: b**a,
    "a ** a": lambda a, b: a**a,
    "a ** 0.5": lambda a, b: a**0.5,
    "a ** -1.5": lambda a, b: a**-1.5,
    "2 ** a": lambda a, b: 2**a,
    "log": lambda a, b: a.log(),
}


def augmented(a, b):
    c = a
    c += b
    c -= 2
    c *= b
    c /= a
    c **= 2
    return c


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("a, b", [(0.7, -1.3), (-0.4, 2.1), (1.9, 0.6), (-2.2, -0.9)])
def test_operations_against_finite_differences(name, a, b):
    """A derivative rule with a wrong sign, factor or operand, in either order of the operands."""
    check(OPERATIONS[name], a, b)


@pytest.mark.parametrize("name", POSITIVE_OPERATIONS)
@pytest.mark.parametrize("a, b", [(0.7, 1.3), (2.4, 0.2)])
def test_operations_on_positive_numbers_against_finite_differences(name, a, b):
    """The same, for operations that are defined above 0 only."""
    check(POSITIVE_OPERATIONS[name], a, b)


def test_results():
    """An operator that computes another one's result: finite differences agree with whatever is computed."""
    a, b = Value(3.0), Value(-2.0)
    results = [a + b, a + 1, 1 + a, a - b, a - 1, 1 - a, a * b, a * 2, 2 * a, a / b, a / 2, 2 / a, a**2, a**b, 2**a, -a]
    assert [r.data for r in results] == pytest.approx(
        [1, 4, 4, 5, 2, -2, -6, 6, 6, -1.5, 1.5, 2 / 3, 9, 1 / 9, 8, -3], rel=1e-15)  # fmt: skip
    assert a.log().data == pytest.approx(1.0986122886681098)
    assert a.exp().data == pytest.approx(20.085536923187668)
    assert (a.relu().data, b.relu().data) == (3, 0)


def test_edges():
    """ReLU that lets a gradient through at 0; 0 ** 0 with an infinite slope; log(0) that ends the program."""
    for number, slope in ((0.0, 0.0), (-1e-300, 0.0), (1e-300, 1.0)):
        x = Value(number)
        x.relu().backward()
        assert x.grad == slope
    x = Value(0.0)
    (x**0 + x**1 + x**2).backward()
    assert x.grad == 1.0
    x = Value(0.0)
    y = x.log()
    y.backward()
    assert (y.data, x.grad) == (-math.inf, math.inf)
    assert math.isnan(Value(math.nan).relu().data)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Value(-1.0).log(),
        lambda: Value(-8.0) ** 0.5,
        lambda: Value(-2.0) ** Value(2.0),
        lambda: Value(0.0) ** -1,
    ],
)
def test_no_complex_numbers(call):
    """A complex number in the graph (Python's ** makes one of -8 ** 0.5) or a derivative that is not defined."""
    with pytest.raises(ValueError):
        call()


def test_exp_overflow():
    with pytest.raises(OverflowError):
        Value(710.0).exp()


def test_repr():
    """A learner at the prompt sees the number and its gradient."""
    x = Value(2.0)
    (x * 3).backward()
    assert repr(x) == "Value(data=2.0, grad=3.0)"


def test_nodes_have_no_dict():
    """A node twice as large, and a misspelled attribute that is taken without a word."""
    for node in (Value(1.0), Dot([Value(1.0)], [Value(2.0)])):
        assert not hasattr(node, "__dict__")
        with pytest.raises(AttributeError):
            node.gard = 1.0


def test_a_node_keeps_what_it_was_computed_from():
    """A graph that cannot be walked: children or local derivatives lost, or in another order."""
    a, b = Value(2.0), Value(5.0)
    c = a * b
    assert [child is x for child, x in zip(c.children, (a, b))] == [True, True]
    assert list(c.local_grads) == [5.0, 2.0]


# backward(), on any graph and any number of times


def test_shared_nodes():
    """A node reached by two paths whose gradient is passed on before both have arrived, or only once."""
    x = Value(3.0)
    a = x * x
    b = a + x
    ((a * b) + (b * b) + a).backward()  # x^2 (x^2 + x) + (x^2 + x)^2 + x^2 = 2 x^4 + 3 x^3 + 2 x^2
    assert x.grad == 8 * 27 + 9 * 9 + 4 * 3
    assert b.grad == 9 + 2 * 12


def test_ladder_of_shared_nodes():
    """A walk that follows every path: there are 2 ** 200 of them here."""
    x = y = Value(1.0)
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad == 2.0**200


def test_second_call_adds_the_same_again():
    """Gradients that earlier calls left in the graph flowing back once more: 1, 3, 6 ... times the gradient, not 1,
    2, 3."""
    for factor in (2, -2):
        x = Value(3.0)
        y = x * x
        z = y * factor
        for calls in (1, 2, 3):
            z.backward()
            assert (x.grad, y.grad, z.grad) == (calls * 6 * factor, calls * factor, calls)


def test_two_roots_over_one_graph():
    """The second root sees nodes that the first one has visited and takes them for done."""
    x = Value(2.0)
    y = x * x
    (y * 3).backward()
    (y * 5).backward()
    assert (x.grad, y.grad) == (3 * 4 + 5 * 4, 8)


def test_an_inner_node_as_root_after_the_outer():
    """backward() from within a graph: only what lies below it, 1 at its root."""
    x = Value(2.0)
    y = x * 3
    z = y * 4
    z.backward()
    y.backward()
    assert (x.grad, y.grad, z.grad) == (12 + 3, 4 + 1, 1)


def test_a_leaf_as_root():
    x = Value(2.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0


def test_a_graph_built_on_after_backward():
    """Marks of an earlier call that hide nodes from a later one over a graph that has grown."""
    x = Value(2.0)
    y = x * x
    y.backward()
    z = y * x + y
    z.backward()
    assert x.grad == 4 + 12 + 4


def test_zero_in_and_out():
    """A gradient of exactly 0 that stops others from arriving."""
    x, y = Value(0.0), Value(2.0)
    (x * y + x.relu() * y + y * y).backward()
    assert (x.grad, y.grad) == (2.0, 4.0)


def test_depth():
    """Recursion: a million nodes in a row are deeper than any stack, on the way back and when the graph is freed."""
    x = y = Value(0.5)
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward()
    assert x.grad == 1.0
    del y  # frees them all, each held by the next alone
    one, z = Value(1.0), x
    for _ in range(100_000):
        z = Dot([z, one], [one, x])  # z * one + one * x: 0.5 more each time
    z.backward()
    assert (x.grad, one.grad) == (1.0 + 1.0 + 100_000, sum(z + 0.5 for z in [0.5 + 0.5 * i for i in range(100_000)]))
    del z


def test_the_worked_example_of_micrograd():
    """A peer's own numbers (the README of github.com/karpathy/micrograd): 24.7041, 138.8338, 645.5773. They come from
    all its operations in one graph, in which most nodes are used more than once."""
    a, b = Value(-4.0), Value(2.0)
    total = a + b
    product = a * b + b**3
    total = total + (total + 1)
    total = total + (1 + total + (-a))
    product = product + (product * 2 + (b + a).relu())
    product = product + (3 * product + (b - a).relu())
    squared = (total - product) ** 2
    result = squared / 2.0 + 10.0 / squared
    result.backward()
    assert [f"{x:.4f}" for x in (result.data, a.grad, b.grad)] == ["24.7041", "138.8338", "645.5773"]


# The fused and the composed pieces


def vector(rng, n):
    return [Value(rng.uniform(-2, 2)) for _ in range(n)]


def unfused_dot(a, b):
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:]):
        total = total + x * y
    return total


@pytest.mark.parametrize("n", [1, 2, 3, 16, 64])
def test_dot_is_its_unfused_form_to_the_bit(n):
    """Another order of addition (or the built-in sum, compensated since 3.12), or the derivatives of a and b
    exchanged."""
    rng = random.Random(n)
    a, b, seen = vector(rng, n), vector(rng, n), []
    for form in (Dot, unfused_dot):
        for x in a + b:
            x.grad = 0.0
        result = form(a, b)
        (result * 0.3).backward()
        seen.append((result.data, [x.grad for x in a + b]))
    assert seen[0] == seen[1]


def test_dot_against_finite_differences():
    """Also where a vector meets itself and an element stands in both."""
    check(lambda a, b, c, d, e, f: Dot([a, b, c], [d, e, f]), 0.3, -1.2, 0.8, 2.0, 0.1, -0.7)
    check(lambda a, b: Dot([a, b], [a, b]), 0.3, -1.2)
    check(lambda a, b: Dot([a, a, b], [b, a, a]), 0.3, -1.2)


def test_a_dot_can_be_walked_like_any_node():
    """A fused node that hides what it was computed from, or says other derivatives than it passes on."""
    a, b = [Value(1.0), Value(2.0)], [Value(5.0), Value(7.0)]
    c = Dot(a, b)
    assert (c.data, c.local_grads) == (19.0, [5.0, 7.0, 1.0, 2.0])
    assert [child is x for child, x in zip(c.children, a + b)] == [True] * 4
    assert c.grad == 0.0
    c.backward()
    assert c.grad == 1.0
    assert [x.grad for x in c.children] == c.local_grads
    assert Dot([], []).data == 0.0


def weighted(vector):
    """One number that depends on every element in another way, so that no two of them can be exchanged."""
    total = Value(0.0)
    for i, x in enumerate(vector):
        total = total + x * (0.5 + 0.25 * i) + x * x * (0.1 * i)
    return total


def test_linear_against_finite_differences():
    """The matrix used transposed, or a row left out."""

    def f(*values):
        return weighted(linear(list(values[:3]), [list(values[3:6]), list(values[6:9])]))

    check(f, *[random.Random(1).uniform(-2, 2) for _ in range(9)])


@pytest.mark.parametrize("numbers", [[0.5], [1.0, 1.0], [0.1, -2.0, 3.0, 0.4], [5.0, -5.0, 0.0]])
def test_softmax_against_finite_differences(numbers):
    """The largest logit that is subtracted must not take part in the gradient; every probability depends on every
    logit."""
    check(lambda *values: weighted(softmax(list(values))), *numbers)


LOGITS = [[0.5], [1.0, 1.0], [0.1, -2.0, 3.0, 0.4], [5.0, -5.0, 0.0], [700.0, 0.0, 702.0]]


@pytest.mark.parametrize("numbers", LOGITS[:-1])
def test_cross_entropy_against_finite_differences(numbers):
    """Probabilities passed back without the 1 that the target loses, or with another token's."""
    for target_id in range(len(numbers)):
        check(lambda *values, t=target_id: cross_entropy(list(values), t) * 3.0, *numbers)


@pytest.mark.parametrize("numbers", LOGITS)
def test_cross_entropy_is_its_unfused_form(numbers):
    """The fused loss and the reference's way to it, softmax, log and neg, op by op."""
    for target_id in range(len(numbers)):
        seen = []
        for form in (cross_entropy, lambda logits, t: -softmax(logits)[t].log()):
            logits = [Value(x) for x in numbers]
            loss = form(logits, target_id)
            (loss * 0.3).backward()
            seen.append([loss.data, *(x.grad for x in logits)])
        assert seen[0] == pytest.approx(seen[1], rel=EXACT, abs=EXACT)


def test_cross_entropy_of_the_impossible():
    """A target whose probability underflows to 0: infinite, as in the reference, and no ValueError from log(0)."""
    assert cross_entropy([Value(0.0), Value(800.0)], 0).data == math.inf
    assert math.isnan(cross_entropy([Value(0.0), Value(math.nan)], 0).data)


@pytest.mark.parametrize("gap, slope", [(709.78, -1.0), (709.79, math.nan), (740.0, math.nan)])
def test_cross_entropy_of_the_nearly_impossible(gap, slope):
    """A finite slope where 1 / prob overflows: the reference goes on with NaN there, and this program would go on with
    numbers. The largest double is just below 2**1024, so that happens from a loss of 1024 ln 2 = 709.783 on."""
    logits = [Value(0.0), Value(gap)]
    loss = cross_entropy(logits, 0)
    loss.backward()
    assert loss.data == pytest.approx(gap, rel=1e-3)
    assert logits[0].grad == pytest.approx(slope, nan_ok=True)


def test_softmax_is_its_unfused_form():
    """One reciprocal for all in place of one for each: the oracle's softmax, gradient by gradient."""
    for numbers in LOGITS:
        logits, nodes = [Value(x) for x in numbers], [oracle.Node(x) for x in numbers]
        ours, theirs = softmax(logits), oracle.probabilities(nodes)
        assert [p.data for p in ours] == [p.data for p in theirs]
        weighted(ours).backward()
        oracle.backward(
            oracle.add_up(
                [
                    oracle.plus(oracle.scale(p, 0.5 + 0.25 * i), oracle.scale(oracle.times(p, p), 0.1 * i))
                    for i, p in enumerate(theirs)
                ]
            )
        )
        assert [x.grad for x in logits] == pytest.approx([n.grad for n in nodes], rel=EXACT, abs=EXACT)


@pytest.mark.parametrize("numbers", [[0.5], [1.0, -1.0], [0.1, -2.0, 3.0, 0.4], [0.05, 0.02]])
def test_rmsnorm_against_finite_differences(numbers):
    """The scale taken for a constant."""
    check(lambda *values: weighted(rmsnorm(list(values))), *numbers)


# The whole model


def model(docs, steps=0, **settings):
    """(tokens of the next document, state_dict, config, oracle in the same state), after some steps of training."""
    config = microgpt.Config(**settings)
    renamed = {{"init_std": "std"}.get(name, name): value for name, value in settings.items() if name != "num_samples"}
    twin = oracle.Oracle(docs, **renamed)
    microgpt.random.seed(config.seed)
    docs = list(docs)
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
    training = microgpt.train(docs, tokenizer, state_dict, config)
    for _ in range(steps):
        assert next(training)[1] == pytest.approx(twin.train_step(), rel=EXACT)
    return tokenizer.encode(docs[steps]), state_dict, config, twin


def parameters(state_dict):
    return [p for matrix in state_dict.values() for row in matrix for p in row]


def test_every_parameter_of_a_small_model_against_finite_differences():
    """A path through attention, MLP, residuals or embeddings along which no gradient, or a wrong one, comes back."""
    tokens, state_dict, config, _ = model(["abca", "cabb"], n_embd=4, n_head=2, n_layer=2, block_size=6, init_std=0.4)
    params = parameters(state_dict)
    microgpt.forward(tokens, state_dict, config).backward()
    for i, (p, slope) in enumerate(
        zip(params, slopes(lambda *_: microgpt.forward(tokens, state_dict, config), params))
    ):
        assert p.grad == pytest.approx(slope, rel=TOLERANCE, abs=TOLERANCE), i


DOCS = ["emma", "olivia", "anna", "isabella", "zoe", "maximilian", "jo", "quentin", "yvonne", "christopher"]


@pytest.mark.parametrize("steps", [0, 3])
def test_random_directions_through_the_default_model_against_finite_differences(steps):
    """The same for all 4,192 parameters (with a vocabulary of 26 letters) at once: along a direction u of length 1
    the loss changes by the sum of grad * u."""
    alphabet = ["abcdefghijklmnopqrstuvwxyz"]
    tokens, state_dict, config, _ = model(DOCS + alphabet, steps)
    params = parameters(state_dict)
    assert len(params) == 4192
    microgpt.forward(tokens, state_dict, config).backward()
    at = [p.data for p in params]
    rng = random.Random(steps)
    for _ in range(12):
        u = [rng.gauss(0, 1) for _ in params]
        length = math.sqrt(math.fsum(x * x for x in u))
        loss = {}
        for sign in (1, -1):
            for p, x, ui in zip(params, at, u):
                p.data = x + sign * H * ui / length
            loss[sign] = microgpt.forward(tokens, state_dict, config).data
        expected = math.fsum(p.grad * ui / length for p, ui in zip(params, u))
        assert (loss[1] - loss[-1]) / (2 * H) == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)


@pytest.mark.parametrize(
    "settings, steps",
    [
        ({}, 0),
        ({}, 2),
        ({"n_layer": 2, "n_embd": 8, "n_head": 4, "block_size": 5, "seed": 3}, 2),
        ({"n_layer": 3, "n_embd": 6, "n_head": 1, "block_size": 1, "init_std": 1.0}, 1),
        (
            {
                "n_embd": 8,
                "n_head": 8,
                "learning_rate": 0.3,
                "beta1": 0.0,
                "beta2": 0.5,
                "eps_adam": 0.1,
                "num_steps": 7,
            },
            6,
        ),
    ],
)
def test_loss_and_every_gradient_are_the_oracles(settings, steps):
    """Whatever finite differences are too coarse to see, and a mistake in Adam, which the steps before have taken."""
    tokens, state_dict, config, twin = model(DOCS, steps, **settings)
    root = twin.loss(twin.docs[steps])
    oracle.backward(root)
    loss = microgpt.forward(tokens, state_dict, config)
    loss.backward()
    assert loss.data == pytest.approx(root.data, rel=EXACT)
    ours, theirs = parameters(state_dict), twin.parameters
    assert [p.data for p in ours] == pytest.approx([p.data for p in theirs], rel=EXACT, abs=EXACT)
    assert [p.grad for p in ours] == pytest.approx([p.grad for p in theirs], rel=EXACT, abs=EXACT)
    assert sum(p.grad != 0 for p in ours) > 100

"""Gradients are right: what backward() computes agrees with central finite differences.

For each operation and function, for random graphs, and for every parameter of a small model. (f(x + h) - f(x - h)) / 2h
is off by about h**2 = 1e-10 for functions as smooth as these, and rounding adds 1e-16 / h = 1e-11.
"""

import dataclasses
import math
from fractions import Fraction

import pytest
from conftest import assume, given, parameters, seeded, settings, st
from second_model import plain_loss

import microgpt
from microgpt import Config, Value, document_loss, dot, linear, mlp, rmsnorm, softmax

H, TOLERANCE = 1e-5, 1e-7  # a thousandfold of that error, for steeper functions

def slopes(f, values):
    """Central differences of f() in the data of each of values."""
    result = []
    for value in values:
        x = value.data
        value.data = x + H
        above = f()
        value.data = x - H
        result.append((above - f()) / (2 * H))
        value.data = x
    return result

def check(f, *numbers):
    values = [Value(float(x)) for x in numbers]
    f(*values).backward()
    expected = slopes(lambda: f(*values).data, values)
    assert [v.grad for v in values] == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)

# Each operation

OPERATIONS = {
    "a + b": lambda a, b: a + b, "a + 3": lambda a, b: a + 3, "3 + a": lambda a, b: 3 + a,
    "a - b": lambda a, b: a - b, "a - 3": lambda a, b: a - 3, "3 - a": lambda a, b: 3 - a,
    "a * b": lambda a, b: a * b, "a * 3": lambda a, b: a * 3, "3 * a": lambda a, b: 3 * a,
    "a / b": lambda a, b: a / b, "a / 3": lambda a, b: a / 3, "3 / a": lambda a, b: 3 / a,
    "a**3": lambda a, b: a**3, "a**-1": lambda a, b: a**-1, "a**1": lambda a, b: a**1, "a**0": lambda a, b: a**0,
    "(a*a)**-1.5": lambda a, b: (a * a) ** -1.5, "-a": lambda a, b: -a,
    "a + a": lambda a, b: a + a, "a * a": lambda a, b: a * a, "a / a": lambda a, b: a / a,
    "all at once": lambda a, b: (a * b - b / (a * a + 1)) / 7 - (2 - a) * (3 / b) + sum([a, b, a]),
}  # fmt: skip
POINTS = [(0.7, -1.3), (-0.4, 2.1), (1.9, 0.6), (-2.2, -0.9)]

@pytest.mark.parametrize("a, b", POINTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operators_compute_what_numbers_do_and_its_slopes(name, a, b):
    """Fails for another result, or a derivative with a wrong sign, factor or operand, on either side."""
    assert OPERATIONS[name](Value(a), Value(b)).data == pytest.approx(OPERATIONS[name](a, b), rel=1e-15)
    check(OPERATIONS[name], a, b)

@pytest.mark.parametrize("x", [0.3, 2.4, -1.1])
def test_exp_log_and_relu_compute_their_functions_and_slopes(x):
    """Fails for another function or slope."""
    assert Value(x).exp().data == math.exp(x)
    assert Value(abs(x)).log().data == math.log(abs(x))
    assert Value(x).relu().data == (x if x > 0 else 0)
    for f in (Value.exp, lambda a: (a * a).log(), Value.relu):
        check(f, x)

def test_edges_have_their_limits():
    """Fails for relu that lets a gradient through at 0 or stops nan, a slope of x**0, log(0) as an error."""
    for number, slope in ((0.0, 0.0), (-1e-300, 0.0), (1e-300, 1.0)):
        (x := Value(number)).relu().backward()
        assert x.grad == slope
    assert math.isnan(Value(math.nan).relu().data)
    x, y = Value(0.0), Value(0.0)
    (x**0 + x**1 + x**2).backward()
    (z := y.log()).backward()
    assert (x.grad, z.data, y.grad) == (1.0, -math.inf, math.inf)

def test_what_is_no_real_number_is_an_error():
    """Fails for a complex number or an infinity in the graph."""
    for call in (lambda: Value(-1.0).log(), lambda: Value(-8.0) ** 0.5, lambda: Value(0.0) ** -1, Value(710.0).exp):
        with pytest.raises((ValueError, OverflowError)):
            call()

def test_a_node_shows_what_it_was_computed_from():
    """Fails for children or local gradients that are lost, in another order, or not paired; for a __dict__."""
    a, b, c = Value(2.0), Value(5.0), Value(7.0)
    for node, children, local_grads in (
        (a * b, [a, b], [5.0, 2.0]), (a + 1, [a], [1.0]), (a, [], []),
        (dot([a, b], [b, c]), [a, b, b, c], [5, 7, 2, 5]),
    ):  # fmt: skip
        assert [id(child) for child in node.children] == [id(child) for child in children]
        assert list(node.local_grads) == local_grads
        assert not hasattr(node, "__dict__")
    (a * 3).backward()
    assert repr(a) == "Value(data=2.0, grad=3.0)"

# backward(), on any graph and any number of times

def test_shared_nodes():
    """Fails for a node that passes on a gradient before all has arrived, or for a walk along each of 2**200 paths."""
    x = Value(3.0)
    a = x * x
    b = a + x
    ((a * b) + (b * b) + a).backward()  # 2 x^4 + 3 x^3 + 2 x^2
    assert (x.grad, b.grad) == (8 * 27 + 9 * 9 + 4 * 3, 9 + 2 * 12)
    a = Value(1.0)
    b = a + a
    (b * (b + b)).backward()  # 8 a^2
    assert a.grad == 16.0
    x = y = Value(1.0)
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad == 2.0**200

def test_a_second_call_adds_to_leaves_and_sets_other_nodes_anew():
    """Fails for gradients of an earlier call that flow again: 1, 3, 6 times the gradient in place of 1, 2, 3."""
    x = Value(3.0)
    y = x * x
    z = y * -2
    for calls in (1, 2, 3):
        z.backward()
        assert (x.grad, y.grad, z.grad) == (calls * -12, -2, 1)
    leaf = Value(2.0)
    leaf.backward()
    leaf.backward()
    assert leaf.grad == 2.0

def test_several_roots_over_one_graph():
    """Fails for nodes that the first root has visited and the second takes for done, or that keep its gradient."""
    x = Value(2.0)
    y = x * x
    (y * 3).backward()
    (y * 5).backward()
    assert (x.grad, y.grad) == (3 * 4 + 5 * 4, 5)
    y.backward()  # an inner node
    assert (x.grad, y.grad) == (32 + 4, 1)
    (y * x + y).backward()  # a graph that has grown
    assert x.grad == 36 + 12 + 4

def test_gradients_belong_to_the_forward_pass():
    """Fails for derivatives that are taken from data at the time of backward()."""
    a, b, c = Value(2.0), Value(3.0), Value(4.0)
    result = dot([a, b], [c, a]) * b
    a.data = b.data = c.data = 100.0
    result.backward()  # (ac + ab) b
    assert (a.grad, b.grad, c.grad) == ((4 + 3) * 3, 14 + 2 * 3, 2 * 3)

def test_a_chain_of_a_million_nodes():
    """Fails for recursion, on the way back and when the graph is freed."""
    x = y = Value(0.5)
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward()
    assert x.grad == 1.0
    del y

STEPS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "shift": lambda a, b: 3 - a, "scale": lambda a, b: -2 * a, "over": lambda a, b: 5 / b,
    "relu": lambda a, b: a.relu() if isinstance(a, Value) else max(a, Fraction(0)),
    "dot": lambda a, b: dot([a, b, a], [b, b, a]) if isinstance(a, Value) else a * b + b * b + a * a,
}  # fmt: skip
step = st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 99), st.integers(0, 99))

def grow(leaves, program):
    """All numbers of a program: each step takes two earlier numbers."""
    numbers = list(leaves)
    for name, i, j in program:
        a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
        if isinstance(a, Fraction):
            assume(a and b and abs(a * b) < 1000)  # on no kink and no pole
        numbers.append(STEPS[name](a, b))
    return numbers

@settings(max_examples=300)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(step, min_size=1, max_size=14))
def test_random_graphs(numbers, program):
    """Fails for any graph of up to 18 nodes with wrong gradients, from two roots. Exact fractions, a step of 1e-30."""
    leaves, h = [Fraction(n) for n in numbers], Fraction(1, 10**30)
    exact = grow(leaves, program)
    values = grow([Value(float(n)) for n in numbers], program)
    roots = [len(exact) - 1, len(exact) // 2]
    for root in roots:
        values[root].backward()
    for i in range(len(leaves)):
        above, below = (
            grow([leaf + sign * h * (i == k) for k, leaf in enumerate(leaves)], program) for sign in (1, -1)
        )
        slope = sum((above[root] - below[root]) / (2 * h) for root in roots)
        assert values[i].grad == pytest.approx(float(slope), rel=1e-9, abs=1e-7)

# The functions of the model

def weighted(vector):
    """One number that depends on every element in another way, so that no two of them can be exchanged."""
    return sum(x * (0.5 + 0.25 * i) + x * x * (0.1 * i) for i, x in enumerate(vector))

@pytest.mark.parametrize("numbers", [[0.5], [1.0, -1.5], [0.1, -2.0, 3.0, 0.4], [0.05, 0.02]])
def test_softmax_and_rmsnorm(numbers):
    """Fails for a maximum, a sum or a scale that is taken for a constant when it is none."""
    check(lambda *values: weighted(softmax(list(values))), *numbers)
    check(lambda *values: weighted(rmsnorm(list(values))), *numbers)

def test_dot_linear_and_mlp():
    """Fails for a matrix used transposed, a row left out, a silenced unit that passes on, or another rounding."""
    check(lambda *v: dot(list(v[:3]), list(v[3:])), 0.3, -1.2, 0.8, 2.0, 0.1, -0.7)
    check(lambda a, b: dot([a, a, b], [b, a, a]), 0.3, -1.2)
    assert dot([Value(1e16), Value(1.0), Value(-1e16)], [Value(1.0)] * 3).data == 0.0  # sum() gives 1 from 3.12 on
    numbers = [((7 * i) % 11 - 5.2) / 4 for i in range(3 + 6 + 6)]
    split = lambda v: (list(v[:3]), [list(v[3:6]), list(v[6:9])], [list(v[9:11]), list(v[11:13]), list(v[13:])])  # noqa: E731
    check(lambda *v: weighted(linear(*split(v)[:2])), *numbers)
    check(lambda *v: weighted(mlp(*split(v))), *numbers)

def test_shapes_that_do_not_fit_are_refused():
    """Fails for a dot product that is cut to the shorter list."""
    a, b = [Value(1.0)] * 2, [Value(1.0)] * 3
    for call in (lambda: dot(a, b), lambda: dot(b, a), lambda: linear(a, [a, b])):
        with pytest.raises(ValueError, match="3|2"):
            call()

# The whole model

SMALL = [
    Config(n_embd=4, n_head=2, n_layer=2, block_size=4, init_std=0.5),
    Config(n_embd=6, n_head=1, n_layer=1, block_size=9, init_std=0.3),
]

@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize("config", SMALL, ids=["two layers", "one head"])
def test_every_parameter_of_a_small_model(config, steps):
    """Fails for a gradient that is lost in the model, before or after training: differences are second_model.py's."""
    docs = ["abcab", "cab"]
    tokenizer = microgpt.Tokenizer(docs)
    state_dict = seeded(config, tokenizer.vocab_size)
    list(microgpt.train(docs, tokenizer, state_dict, dataclasses.replace(config, num_steps=steps)))
    params, tokens = parameters(state_dict), tokenizer.encode("abcab")
    for p in params:
        p.grad = 0.0
    loss = document_loss(tokens, state_dict, config)
    loss.backward()
    assert loss.data == pytest.approx(plain_loss(tokens, state_dict, config), rel=1e-13)
    expected = slopes(lambda: plain_loss(tokens, state_dict, config), params)
    assert [p.grad for p in params] == pytest.approx(expected, rel=1e-6, abs=1e-8)
    assert sum(p.grad != 0 for p in params) > len(params) / 2

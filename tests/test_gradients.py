"""Gradients are right: what backward() computes agrees with central finite differences.

For each operation and each function of the model. Random graphs and whole models have files of
their own.
"""

import copy
import gc
import math
import pickle
import subprocess
import sys
import weakref

import pytest
from helpers import ROOT, assert_gradients_match

import microgpt
from microgpt import Config, Value, add, attention, dot, linear, mlp, rmsnorm, softmax

# Each operation


def many_at_once(a, b):
    return (a * b - b / (a * a + 1)) / 7 - (2 - a) * (3 / b) + sum([a, b, a])


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
    "a / 3": lambda a, b: a / 3,
    "3 / a": lambda a, b: 3 / a,
    "-a": lambda a, b: -a,
    "a**3": lambda a, b: a**3,
    "a**1": lambda a, b: a**1,
    "a**0": lambda a, b: a**0,
    "a**-1": lambda a, b: a**-1,
    "(a * a) ** -1.5": lambda a, b: (a * a) ** -1.5,
    "a + a": lambda a, b: a + a,
    "a * a": lambda a, b: a * a,
    "a / a": lambda a, b: a / a,
    "many at once": many_at_once,
}
POINTS = [(0.7, -1.3), (-0.4, 2.1), (1.9, 0.6), (-2.2, -0.9)]


@pytest.mark.parametrize("a, b", POINTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operator_gives_what_numbers_give(name, a, b):
    """The result on Values is the result on floats."""
    result = OPERATIONS[name](Value(a), Value(b))
    assert result.data == pytest.approx(OPERATIONS[name](a, b), rel=1e-15)


@pytest.mark.parametrize("a, b", POINTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operator_has_the_slopes_of_its_formula(name, a, b):
    """backward() agrees with central differences in both operands."""
    assert_gradients_match(OPERATIONS[name], a, b)


@pytest.mark.parametrize("x", [0.3, 2.4, -1.1])
def test_exp_log_and_relu_are_their_functions(x):
    """exp and log are those of math, and relu is the larger of x and 0."""
    assert Value(x).exp().data == math.exp(x)
    assert Value(abs(x)).log().data == math.log(abs(x))
    assert Value(x).relu().data == max(x, 0.0)


@pytest.mark.parametrize("x", [0.3, 2.4, -1.1])
def test_exp_log_and_relu_have_the_slopes_of_their_formulas(x):
    """backward() agrees with central differences."""
    assert_gradients_match(Value.exp, x)
    assert_gradients_match(lambda a: (a * a).log(), x)
    assert_gradients_match(Value.relu, x)


# Edges


@pytest.mark.parametrize("x, slope", [(0.0, 0.0), (-1e-300, 0.0), (1e-300, 1.0)])
def test_relu_turns_at_0_and_nowhere_else(x, slope):
    """The slope of relu is 0 up to x = 0 and 1 above, however small x is."""
    value = Value(x)
    value.relu().backward()
    assert value.grad == slope


def test_relu_of_nan_is_nan():
    """A run that has gone wrong is not hidden by relu."""
    assert math.isnan(Value(math.nan).relu().data)


def test_powers_of_0_have_their_slopes():
    """x**0, x**1 and x**2 have slopes 0, 1 and 0 at x = 0."""
    for exponent, slope in ((0, 0.0), (1, 1.0), (2, 0.0)):
        x = Value(0.0)
        (x**exponent).backward()
        assert (exponent, x.grad) == (exponent, slope)


def test_log_of_0_is_its_limit():
    """log(0) is -inf with an infinite slope: the loss of a token that was given no chance."""
    x = Value(0.0)
    y = x.log()
    y.backward()
    assert (y.data, x.grad) == (-math.inf, math.inf)


NO_RESULT = {
    "log(-1)": (ValueError, lambda: Value(-1.0).log()),
    "(-8) ** 0.5": (ValueError, lambda: Value(-8.0) ** 0.5),
    "0 ** -1": (ValueError, lambda: Value(0.0) ** -1),
    "0 ** 0.5, whose slope is 1 / 0": (ValueError, lambda: Value(0.0) ** 0.5),
    "1 / 0": (ZeroDivisionError, lambda: 1 / Value(0.0)),
    "a / 0": (ZeroDivisionError, lambda: Value(1.0) / Value(0.0)),
    "a / 0.0": (ZeroDivisionError, lambda: Value(1.0) / 0.0),
    "exp(710)": (OverflowError, lambda: Value(710.0).exp()),
    "10.0 ** 309": (OverflowError, lambda: Value(10.0) ** 309),
}


@pytest.mark.parametrize("case", NO_RESULT)
def test_an_operation_without_a_result_raises_what_python_raises(case):
    """No complex number and no infinity slips into the graph, but for log(0)."""
    error, operation = NO_RESULT[case]
    with pytest.raises(error):
        operation()


# Nodes


@pytest.mark.parametrize(
    "operation, children, local_grads",
    [
        (lambda a, b, c: a, [], []),
        (lambda a, b, c: a + 1, ["a"], [1.0]),
        (lambda a, b, c: a * b, ["a", "b"], [5.0, 2.0]),
        (lambda a, b, c: a / b, ["a", "b"], [1 / 5, -2 / 25]),
        (lambda a, b, c: dot([a, b], [b, c]), ["a", "b", "b", "c"], [5, 7, 2, 5]),
        (lambda a, b, c: (-a).relu(), [], []),
    ],
    ids=["leaf", "a + 1", "a * b", "a / b", "dot", "silenced"],
)
def test_a_node_knows_its_children_and_its_slope_for_each(operation, children, local_grads):
    """children are the operands themselves, in order, and local_grads has the slope for each."""
    operands = {"a": Value(2.0), "b": Value(5.0), "c": Value(7.0)}
    node = operation(*operands.values())
    assert [id(child) for child in node.children] == [id(operands[name]) for name in children]
    assert list(node.local_grads) == pytest.approx(local_grads, rel=1e-15)


def test_a_node_has_its_four_attributes_and_no_other():
    """A misspelt attribute is an error, and a node takes no dict of its own."""
    with pytest.raises(AttributeError):
        Value(1.0).gradient = 2.0


def test_a_node_shows_its_number_and_its_gradient():
    """repr() is what a learner sees at the prompt."""
    a = Value(2.0)
    (a * 3).backward()
    assert repr(a) == "Value(data=2.0, grad=3.0)"


# backward(), on any graph and any number of times


def test_shared_nodes_pass_on_the_sum_of_all_paths():
    """A node waits for the gradients of all its parents before it passes them on."""
    x = Value(3.0)
    a = x * x
    b = a + x
    ((a * b) + (b * b) + a).backward()  # 2 x^4 + 3 x^3 + 2 x^2
    assert (x.grad, b.grad) == (8 * 27 + 9 * 9 + 4 * 3, 9 + 2 * 12)


def test_a_node_that_is_its_siblings_grandchild_waits():
    """b is a child of the root and of the root's other child: 8 a^2 has the slope 16 a."""
    a = Value(1.0)
    b = a + a
    (b * (b + b)).backward()
    assert (a.grad, b.grad) == (16.0, 8.0)


def test_each_node_is_visited_once():
    """200 doublings have 2**200 paths: a walk along each of them would not end."""
    x = y = Value(1.0)
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad == 2.0**200


def test_a_second_call_adds_to_leaves_and_sets_inner_nodes_anew():
    """Three calls give a leaf 1, 2 and 3 times the gradient, and an inner node the same."""
    x = Value(3.0)
    y = x * x
    z = y * -2
    for calls in (1, 2, 3):
        z.backward()
        assert (x.grad, y.grad, z.grad) == (calls * -12, -2, 1)


def test_a_leaf_that_is_the_root_adds_up():
    """d(leaf)/d(leaf) is 1, and two calls make 2."""
    leaf = Value(2.0)
    leaf.backward()
    leaf.backward()
    assert leaf.grad == 2.0


def test_several_roots_over_one_graph():
    """A node that one root has visited is visited again by the next, also in a graph that grows."""
    x = Value(2.0)
    y = x * x
    (y * 3).backward()
    (y * 5).backward()
    assert (x.grad, y.grad) == (3 * 4 + 5 * 4, 5)
    y.backward()  # an inner node as the root
    assert (x.grad, y.grad) == (32 + 4, 1)
    (y * x + y).backward()
    assert x.grad == 36 + 12 + 4


def test_gradients_belong_to_the_forward_pass():
    """Slopes are those at the time of the operation, not at the time of backward()."""
    a, b, c = Value(2.0), Value(3.0), Value(4.0)
    result = dot([a, b], [c, a]) * b
    a.data = b.data = c.data = 100.0
    result.backward()  # (ac + ab) b
    assert (a.grad, b.grad, c.grad) == ((4 + 3) * 3, 14 + 2 * 3, 2 * 3)


def copied(node):
    return copy.copy(node)


def deep_copied(node):
    return copy.deepcopy(node)


def pickled(node):
    return pickle.loads(pickle.dumps(node))


def test_a_copy_of_an_inner_node_has_a_gradient_of_its_own():
    """x * x times a shallow copy of it is x^4, whose slope at 2 is 32."""
    x = Value(2.0)
    y = x * x
    (y * copied(y)).backward()
    assert (x.grad, y.grad) == (32.0, 4.0)


@pytest.mark.parametrize("copied", [deep_copied, pickled])
def test_a_deep_copy_has_leaves_of_its_own(copied):
    """Mixed with the original, each of the two graphs gets its own gradients."""
    x = Value(2.0)
    y = x * x
    z = copied(y)
    (y * z).backward()  # x^2 * (x')^2
    twin = z.children[0]
    assert (x.grad, twin.grad) == (16.0, 16.0)


def test_a_node_from_another_process_works_here():
    """What a pool of workers hands back takes part in the graph of this process."""
    code = (
        "import pickle, sys, microgpt\n"
        "x = microgpt.Value(3.0)\n"
        "sys.stdout.buffer.write(pickle.dumps((x, x * x)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, check=True
    )
    x, y = pickle.loads(done.stdout)
    a = Value(2.0)
    (y * a + a * a * y).backward()
    assert (x.grad, a.grad) == (6 * 6, 9 + 4 * 9)


def test_the_age_of_a_node_does_not_matter():
    """A node made long before the others takes its turn like any other."""
    x = Value(4.0)
    old = x**-0.5
    for _ in range(1000):
        Value(1.0) + 1  # in the meantime
    (old * x + old).backward()  # x^0.5 + x^-0.5
    assert x.grad == pytest.approx(0.25 - 0.0625, rel=1e-15)


def visits_of(root, monkeypatch):
    """How many nodes backward() passes gradients on from."""
    count = 0

    def counting_zip(*arguments):
        nonlocal count
        count += 1
        return zip(*arguments)

    monkeypatch.setattr(microgpt, "zip", counting_zip, raising=False)
    root.backward()
    return count


def test_the_work_depends_on_the_graph_alone(monkeypatch):
    """An old node makes backward() visit no more nodes than a new one."""
    old = Value(2.0) * 3
    for _ in range(1000):
        Value(1.0) + 1
    new = Value(2.0) * 3
    assert visits_of(old + 1, monkeypatch) == visits_of(new + 1, monkeypatch) == 2


@pytest.mark.slow
def test_a_million_nodes_in_a_row():
    """Neither backward() nor the release of the graph runs into a limit of recursion."""
    x = y = Value(0.5)
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward()
    assert x.grad == 1.0
    del y


def test_backward_leaves_no_reference_cycle():
    """On CPython a graph is freed when its root is, without the cyclic collector."""
    if sys.implementation.name != "cpython":
        pytest.skip("only CPython frees an object with its last reference")

    class Watched(Value):
        __slots__ = ("__weakref__",)

    leaf = Watched(2.0)
    gone = weakref.ref(leaf)
    assert not gc.isenabled()
    root = (leaf * 3 + leaf) * leaf
    root.backward()
    del leaf, root
    assert gone() is None


# The functions of the model


def weighted(vector):
    """One number in which each element counts in another way, so that none can be exchanged."""
    return sum(x * (0.5 + 0.25 * i) + x * x * (0.1 * i) for i, x in enumerate(vector))


@pytest.mark.parametrize("function", [softmax, rmsnorm])
@pytest.mark.parametrize("numbers", [[0.5], [1.0, -1.5], [0.1, -2.0, 3.0, 0.4], [0.05, 0.02]])
def test_softmax_and_rmsnorm(function, numbers):
    """The slope goes through the sum and the scale as well."""
    assert_gradients_match(lambda *values: weighted(function(list(values))), *numbers)


def test_dot():
    """Every number of both vectors has its slope, also one that stands in both."""
    assert_gradients_match(lambda *v: dot(v[:3], v[3:]), 0.3, -1.2, 0.8, 2.0, 0.1, -0.7)
    assert_gradients_match(lambda a, b: dot([a, a, b], [b, a, a]), 0.3, -1.2)


def test_dot_adds_without_compensation():
    """1e16 + 1 - 1e16 is 0 in floats. The built-in sum() gives 1 from Python 3.12 on."""
    numbers = [Value(1e16), Value(1.0), Value(-1e16)]
    assert dot(numbers, [Value(1.0)] * 3).data == 0.0


def some_numbers(n):
    return [((7 * i) % 11 - 5.2) / 4 for i in range(n)]


def rows_of(values, width):
    """values as a matrix with rows of that width."""
    return [list(values[i : i + width]) for i in range(0, len(values), width)]


def test_linear_and_add():
    """A row of the matrix for each number of the result, and vectors added place by place."""
    numbers = some_numbers(3 + 6)
    assert_gradients_match(lambda *v: weighted(linear(v[:3], rows_of(v[3:], 3))), *numbers)
    assert_gradients_match(lambda *v: weighted(add(v[:3], v[3:6])), *numbers)


def test_mlp():
    """Both matrices and the vector have their slopes, with units above and below 0."""
    numbers = some_numbers(2 + 16 + 16)

    def f(*v):
        state_dict = {"layer0.mlp_fc1": rows_of(v[2:18], 2), "layer0.mlp_fc2": rows_of(v[18:], 8)}
        return weighted(mlp(v[:2], 0, state_dict))

    assert_gradients_match(f, *numbers)


def test_mlp_lets_the_smallest_unit_through():
    """A hidden unit of 1e-9 counts: relu has no threshold but 0."""
    state_dict = {"layer0.mlp_fc1": [[Value(1e-9)]], "layer0.mlp_fc2": [[Value(2.0)]]}
    x = Value(1.0)
    [y] = mlp([x], 0, state_dict)
    y.backward()
    assert (y.data, x.grad) == (2e-9, 2e-9)


def test_attention():
    """Slopes reach x, the four matrices, and the keys and values of an earlier token."""
    config = Config(n_embd=2, n_head=2)
    names = ["attn_wq", "attn_wk", "attn_wv", "attn_wo"]

    def f(*v):
        state_dict = {
            f"layer0.{name}": rows_of(v[4 * i : 4 * i + 4], 2) for i, name in enumerate(names)
        }
        keys, values = [list(v[16:18])], [list(v[18:20])]
        return weighted(attention(list(v[20:22]), 0, keys, values, state_dict, config))

    assert_gradients_match(f, *some_numbers(22))


def test_long_vectors_fit():
    """300 numbers and 300 numbers have the same length."""
    ones = [Value(1.0)] * 300
    assert dot(ones, list(ones)).data == 300.0
    assert len(add(ones, list(ones))) == 300


@pytest.mark.parametrize("function", [dot, add])
@pytest.mark.parametrize("lengths", [(2, 3), (3, 2)])
def test_vectors_of_different_lengths_are_refused(function, lengths):
    """Nothing is cut to the shorter one, and the message has both lengths."""
    a, b = ([Value(1.0)] * n for n in lengths)
    with pytest.raises(ValueError, match=f"of {lengths[0]} and {lengths[1]} numbers"):
        function(a, b)

"""Gradients are right: what backward() computes agrees with finite differences."""

import copy
import math
import pickle
import subprocess
import sys
from fractions import Fraction

import pytest
from helpers import GOLDEN, before_the_first_step, drawn_weights
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

import microgpt
from microgpt import Config, Value, dot

STEP = 1e-5  # gives an error of about STEP**2 = 1e-10, and rounding adds about 1e-16 / STEP = 1e-11


def central_difference(f, x):
    """df/dx: how much f() changes when the Value x is a little larger and a little smaller."""
    data = x.data
    x.data = data + STEP
    above = f()
    x.data = data - STEP
    below = f()
    x.data = data
    return (above - below) / (2 * STEP)


MODELS = {
    "two layers": {"n_embd": 4, "n_head": 2, "n_layer": 2, "block_size": 4, "init_std": 0.5},
    "one head": {"n_embd": 3, "n_head": 1, "n_layer": 1, "block_size": 9, "init_std": 0.3},
}


@pytest.mark.whole
@pytest.mark.parametrize("name", MODELS)
def test_every_weight_of_a_small_model(name):
    """backward() from the loss of a document gives each weight its central difference."""
    config = Config(seed=1, **MODELS[name])
    tokens = [3, 0, 1, 2, 0, 1, 3]
    state_dict = drawn_weights(config, vocab_size=4)

    def loss():
        return microgpt.document_loss(tokens, state_dict, config)

    assert_no_kink_nearby(loss)
    loss().backward()
    for matrix_name, matrix in state_dict.items():
        for row in matrix:
            expected = [central_difference(lambda: loss().data, p) for p in row]
            assert [p.grad for p in row] == pytest.approx(expected, rel=1e-6, abs=1e-8), matrix_name


def assert_no_kink_nearby(f):
    """No relu in f() is so near to its kink at 0 that a step of a weight could cross it."""
    inputs = []
    with pytest.MonkeyPatch.context() as patch:
        relu = Value.relu

        def recording_relu(value):
            inputs.append(abs(value.data))
            return relu(value)

        patch.setattr(Value, "relu", recording_relu)
        f()
    assert inputs, "the model has no relu"
    assert min(inputs) > 100 * STEP, (
        "an input of a relu is so near to 0 that a finite difference would be wrong: if all tests "
        "of the parts pass, take another seed"
    )


def assert_gradients_match(f, *numbers):
    """backward() of f(*Values) agrees with central differences in each of numbers."""
    values = [Value(float(x)) for x in numbers]
    f(*values).backward()
    expected = [central_difference(lambda: f(*values).data, value) for value in values]
    gradients = [value.grad for value in values]
    assert gradients == pytest.approx(expected, rel=1e-7, abs=1e-7), f"at {numbers}"


# Each operation

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
    "sum": lambda a, b: sum([a, b, a]),
    "a node that is used three times": lambda a, b: (c := a * b) * (c + c),
}
POINTS = [(0.7, -1.3), (-0.4, 2.1), (1.9, 0.6), (-2.2, -0.9)]

each_operation = pytest.mark.parametrize("name", OPERATIONS)


@each_operation
def test_an_operation_has_the_result_that_floats_have(name):
    """The same formula on floats gives the data of the result."""
    operation = OPERATIONS[name]
    for a, b in POINTS:
        result = operation(Value(a), Value(b))
        assert result.data == pytest.approx(operation(a, b), rel=1e-14, abs=0), (a, b)


@each_operation
def test_an_operation_has_its_derivatives(name):
    """backward() agrees with central differences in both operands."""
    for a, b in POINTS:
        assert_gradients_match(OPERATIONS[name], a, b)


@pytest.mark.parametrize("x", [0.3, 2.4, -1.1])
def test_exp_log_and_relu_have_their_derivatives(x):
    """They give what math.exp, math.log and max(x, 0) give, with their derivatives."""
    assert Value(x).exp().data == math.exp(x)
    assert Value(abs(x)).log().data == math.log(abs(x))
    assert Value(x).relu().data == max(x, 0.0)
    assert_gradients_match(Value.exp, x)
    assert_gradients_match(lambda a: (a * a).log(), x)
    assert_gradients_match(Value.relu, x)


@pytest.mark.parametrize("x, derivative", [(0.0, 0.0), (-1e-300, 0.0), (1e-300, 1.0)])
def test_relu_turns_at_0_and_nowhere_else(x, derivative):
    """The derivative of relu is 0 up to x = 0 and 1 above, however small x is."""
    value = Value(x)
    value.relu().backward()
    assert value.grad == derivative


def test_relu_of_nan_is_nan():
    """A number that is wrong stays visible."""
    assert math.isnan(Value(math.nan).relu().data)


def test_nothing_flows_back_through_a_silenced_relu():
    """Not even an infinite gradient, which would become nan if it were multiplied by 0."""
    x = Value(-1.0)
    x.relu().log().backward()
    assert x.grad == 0.0


def test_powers_of_0_have_their_derivatives():
    """x**1 and x**2 have the derivatives 1 and 0 at x = 0."""
    for exponent, derivative in ((1, 1.0), (2, 0.0)):
        x = Value(0.0)
        (x**exponent).backward()
        assert (exponent, x.grad) == (exponent, derivative)


def test_log_of_0_is_its_limit():
    """log(0) is -inf with an infinite derivative: the loss of a token that was given no chance."""
    x = Value(0.0)
    y = x.log()
    y.backward()
    assert (y.data, x.grad) == (-math.inf, math.inf)


NO_RESULT = {
    "0 ** 0, with the derivative 0 * 0 ** -1": (ValueError, lambda: Value(0.0) ** 0),
    "log(-1)": (ValueError, lambda: Value(-1.0).log()),
    "(-8) ** 0.5": (ValueError, lambda: Value(-8.0) ** 0.5),
    "0 ** -1": (ValueError, lambda: Value(0.0) ** -1),
    "0 ** 0.5, with the derivative 1 / 0": (ValueError, lambda: Value(0.0) ** 0.5),
    "1 / 0": (ZeroDivisionError, lambda: 1 / Value(0.0)),
    "a / 0": (ZeroDivisionError, lambda: Value(1.0) / Value(0.0)),
    "a / 0.0": (ZeroDivisionError, lambda: Value(1.0) / 0.0),
    "exp(710)": (OverflowError, lambda: Value(710.0).exp()),
    "10.0 ** 309": (OverflowError, lambda: Value(10.0) ** 309),
}


@pytest.mark.parametrize("case", NO_RESULT)
def test_an_operation_without_a_real_result_and_derivative_is_an_error(case):
    """Complex numbers, divisions by 0, and exp and ** beyond the floats are errors."""
    error, operation = NO_RESULT[case]
    with pytest.raises(error):
        operation()


# Each function of the model


def weighted(vector):
    """One number, in which each element of the vector has a different part."""
    return sum(x * (0.5 + 0.25 * i) + x * x * (0.1 * i) for i, x in enumerate(vector))


def some_numbers(n):
    """n numbers, positive and negative, none of them 0."""
    return [((7 * i) % 11 - 5.2) / 4 for i in range(n)]


def rows_of(values, width):
    """values as a matrix with rows of that width."""
    return [list(values[i : i + width]) for i in range(0, len(values), width)]


@pytest.mark.parametrize("numbers", [[0.5], [1.0, -1.5], [0.1, -2.0, 3.0, 0.4], [0.05, 0.02]])
@pytest.mark.parametrize("function", [microgpt.softmax, microgpt.rmsnorm])
def test_softmax_and_rmsnorm_have_their_derivatives(function, numbers):
    """The derivative goes through the total and the scale as well."""
    assert_gradients_match(lambda *values: weighted(function(list(values))), *numbers)


@given(
    st.lists(st.floats(-9, 9), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=20),
)
def test_dot_is_the_sum_of_products(numbers, pairs):
    """The one node of dot has the value and the gradients of the 2n nodes that it replaces.

    The vectors take their Values from a few numbers, so some Values are in both."""
    results = []
    for product in (dot, lambda a, b: sum(x * y for x, y in zip(a, b))):
        values = [Value(x) for x in numbers]
        a, b = ([values[pair[k] % len(values)] for pair in pairs] for k in (0, 1))
        total = product(a, b)
        total.backward()
        results.append([total.data, *(v.grad for v in values)])
    assert results[0] == pytest.approx(results[1], rel=1e-12, abs=1e-12)


def test_linear_and_add_have_their_derivatives():
    """The vectors and each row of the matrix have their derivatives."""
    numbers = some_numbers(3 + 6)
    assert_gradients_match(lambda *v: weighted(microgpt.linear(v[:3], rows_of(v[3:], 3))), *numbers)
    assert_gradients_match(lambda *v: weighted(microgpt.add(v[:3], v[3:6])), *numbers)


def test_mlp_has_its_derivatives():
    """Both matrices and the vector have their derivatives."""

    def f(*v):
        state_dict = {"layer0.mlp_fc1": rows_of(v[2:18], 2), "layer0.mlp_fc2": rows_of(v[18:], 8)}
        return weighted(microgpt.mlp(v[:2], 0, state_dict))

    numbers = some_numbers(2 + 16 + 16)
    assert_no_kink_nearby(lambda: f(*map(Value, numbers)))
    assert_gradients_match(f, *numbers)


def test_attention_has_its_derivatives():
    """Gradients reach x, the four matrices, and the keys and values of an earlier token."""
    config = Config(n_embd=4, n_head=2)
    names = ["attn_wq", "attn_wk", "attn_wv", "attn_wo"]

    def f(*v):
        state_dict = {
            f"layer0.{name}": rows_of(v[16 * i : 16 * i + 16], 4) for i, name in enumerate(names)
        }
        keys, values = [list(v[64:68])], [list(v[68:72])]
        return weighted(microgpt.attention(list(v[72:76]), 0, keys, values, state_dict, config))

    assert_gradients_match(f, *some_numbers(76))


# Random graphs of rational functions and relu. Fractions give their central differences exactly.
# No divisor is 0 or small, since it is a square plus 1.

ON_VALUES = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / (b * b + 1)": lambda a, b: a / (b * b + 1),
    "3 - a": lambda a, b: 3 - a,
    "-2 * a": lambda a, b: -2 * a,
    "5 / (b * b + 1)": lambda a, b: 5 / (b * b + 1),
    "a**2": lambda a, b: a**2,
    "(a * a + 1) ** -1": lambda a, b: (a * a + 1) ** -1,
    "relu": lambda a, b: a.relu(),
    "dot": lambda a, b: dot([a, b], [b, b]),
    "copy": lambda a, b: copy.copy(a) if a.children else a * 1,
}
ON_FRACTIONS = {
    **ON_VALUES,
    "relu": lambda a, b: max(a, Fraction(0)) if a != 0 else reject(),  # 0 is its kink
    "dot": lambda a, b: a * b + b * b,
    "copy": lambda a, b: a,
}

# A program is a list of steps (operation, i, j): it applies the operation to two earlier numbers.
place = st.integers(0, 99)
step = st.tuples(st.sampled_from(sorted(ON_VALUES)), place, place)
programs = st.lists(step, min_size=4, max_size=14)


def evaluate(program, operations, leaves):
    """The leaves, and the result of each step."""
    numbers = list(leaves)
    for name, i, j in program:
        a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
        numbers.append(operations[name](a, b))
    return numbers


@pytest.mark.whole
@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), programs, st.booleans())
def test_random_graphs(numbers, program, through_a_pickle):
    """Gradients from two roots over one graph, with copies and pickles, agree with fractions."""
    leaves, h = [Fraction(n) for n in numbers], Fraction(1, 10**30)
    exact = evaluate(program, ON_FRACTIONS, leaves)
    assume(all(abs(x) < 1000 for x in exact))  # floats are exact enough
    values = evaluate(program, ON_VALUES, [Value(float(n)) for n in numbers])
    if through_a_pickle:
        values = pickle.loads(pickle.dumps(values))
    roots = [len(exact) - 1, len(exact) // 2]
    for root in roots:
        values[root].backward()
    for i in range(len(leaves)):
        shift = [h * (i == k) for k in range(len(leaves))]
        above = evaluate(program, ON_FRACTIONS, [x + s for x, s in zip(leaves, shift)])
        below = evaluate(program, ON_FRACTIONS, [x - s for x, s in zip(leaves, shift)])
        derivative = sum((above[root] - below[root]) / (2 * h) for root in roots)
        assert values[i].grad == pytest.approx(float(derivative), rel=1e-9, abs=1e-7)


# PyTorch's gradients in the first step of the default run, in double precision


@pytest.fixture(params=["recorded", "computed now"])
def pytorch_output(request):
    """What pytorch_step.py prints: the loss, and a line for each row of each matrix."""
    if request.param == "recorded":
        return (GOLDEN / "pytorch.gradients.txt").read_text().splitlines()
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    command = [sys.executable, GOLDEN / "pytorch_step.py"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300)
    return done.stdout.decode().splitlines()


@pytest.mark.whole
def test_all_gradients_of_the_first_step_equal_pytorch(pytorch_output):
    """The loss and the 4,192 gradients agree to 1e-12."""
    docs, tokenizer, state_dict, config = before_the_first_step()
    loss = microgpt.document_loss(tokenizer.encode(docs[0]), state_dict, config)
    loss.backward()
    ours = {"loss": [loss.data]}
    for name, matrix in state_dict.items():
        for i, row in enumerate(matrix):
            ours[f"{name} row {i}"] = [p.grad for p in row]
    theirs = {}
    for line in pytorch_output:
        name, _, numbers = line.partition(": ")
        theirs[name] = [float(number) for number in numbers.split()]
    assert sum(map(len, theirs.values())) == 1 + 4192
    for name, numbers in theirs.items():
        assert ours[name] == pytest.approx(numbers, rel=0, abs=1e-12), name

"""A Value works in any graph, any number of times, and is freed with its last reference."""

import copy
import subprocess
import sys
import weakref

import pytest
from helpers import ROOT

from microgpt import Value, dot, topological_order


def test_a_node_shows_its_number_and_its_gradient():
    """repr() is what a learner sees at the prompt."""
    a = Value(2.0)
    (a * 3).backward()
    assert repr(a) == "Value(data=2.0, grad=3.0)"


# backward()


def test_shared_nodes_pass_on_the_sum_of_all_paths():
    """A node waits for the gradients of all its parents before it passes its own on."""
    x = Value(3.0)
    a = x * x
    b = a + x
    ((a * b) + (b * b) + a).backward()  # 2 x^4 + 3 x^3 + 2 x^2
    assert (x.grad, b.grad) == (8 * 27 + 9 * 9 + 4 * 3, 9 + 2 * 12)


def test_a_second_call_adds_to_leaves_and_sets_inner_nodes_anew():
    """Three calls give a leaf 1, 2 and 3 times its gradient. An inner node keeps the same."""
    x = Value(3.0)
    y = x * x
    z = y * -2
    for calls in (1, 2, 3):
        z.backward()
        assert (x.grad, y.grad, z.grad) == (calls * -12, -2, 1)


def test_a_leaf_may_be_the_root():
    """Its derivative with respect to itself is 1, and two calls add up to 2."""
    leaf = Value(2.0)
    leaf.backward()
    leaf.backward()
    assert leaf.grad == 2.0


def test_several_roots_over_one_graph():
    """Each root passes on its own gradient, also in a graph that goes on growing."""
    x = Value(2.0)
    y = x * x
    (y * 3).backward()
    (y * 5).backward()
    assert (x.grad, y.grad) == (3 * 4 + 5 * 4, 5)
    y.backward()  # an inner node as the root
    assert (x.grad, y.grad) == (32 + 4, 1)
    (y * x + y).backward()
    assert x.grad == 36 + 12 + 4


def test_derivatives_are_those_of_the_forward_pass():
    """A number that changes after an operation does not change the operation's derivatives."""
    a, b, c = Value(2.0), Value(3.0), Value(4.0)
    result = dot([a, b], [c, a]) * b
    a.data = b.data = c.data = 100.0
    result.backward()  # (ac + ab) b
    assert (a.grad, b.grad, c.grad) == ((4 + 3) * 3, 14 + 2 * 3, 2 * 3)


def test_the_order_has_each_inner_node_once_after_its_children():
    """topological_order() lists what the root was computed from, without the leaves."""
    a = Value(1.0)
    b = a + a
    c = b * a
    d = dot([b, c], [c, a])
    order = topological_order(d)
    assert [id(node) for node in order] == [id(b), id(c), id(d)]


def test_each_node_is_visited_once():
    """20 doublings have a million paths, but 20 inner nodes."""
    visits = []

    class Children(tuple):
        def __iter__(self):
            visits.append(self)
            return super().__iter__()

    y = Value(1.0)
    for _ in range(20):
        y = y + y
        y.children = Children(y.children)
    topological_order(y)
    assert 20 <= len(visits) <= 40


@pytest.mark.parametrize("attribute", ["children", "local_grads"])
def test_a_call_after_an_interruption_is_right(attribute):
    """Ctrl-C may come while backward() lists the children of y, or while it passes on to them.

    Before the second call the grad of the leaf is set to 0, as before each step of training."""
    x = Value(3.0)
    y = x * x
    z = (y + x) * y

    def interrupted(items):
        yield items[0]
        raise KeyboardInterrupt

    whole = getattr(y, attribute)
    setattr(y, attribute, interrupted(whole))
    with pytest.raises(KeyboardInterrupt):
        z.backward()
    setattr(y, attribute, whole)
    x.grad = 0.0
    z.backward()
    assert (x.grad, y.grad, z.grad) == (4 * 27 + 3 * 9, 2 * 9 + 3, 1)


# Copies


def test_a_copy_of_an_inner_node_has_a_gradient_of_its_own():
    """x * x times a shallow copy of it is x^4, whose derivative at 2 is 32."""
    x = Value(2.0)
    y = x * x
    (y * copy.copy(y)).backward()
    assert (x.grad, y.grad) == (32.0, 4.0)


def test_a_deep_copy_has_leaves_of_its_own():
    """Mixed with the original, each of the two graphs gets its own gradients."""
    x = Value(2.0)
    y = x * x
    z = copy.deepcopy(y)
    (y * z).backward()  # x^2 * (x')^2
    [twin, _] = z.children
    assert (x.grad, twin.grad) == (16.0, 16.0)


def test_a_node_from_another_process_works_with_nodes_of_this_one():
    """Gradients are right through a node that another process has made, walked and pickled."""
    worker = (
        "import pickle, sys\n"
        "from microgpt import Value\n"
        "old = [Value(1.0) * 2 for _ in range(5000)]\n"
        "x = Value(3.0)\n"
        "y = x * x\n"
        "y.backward()\n"
        "x.grad = 0.0\n"
        "sys.stdout.buffer.write(pickle.dumps((x, y)))"
    )
    here = (
        "import pickle, sys\n"
        "from microgpt import Value\n"
        "x, y = pickle.load(sys.stdin.buffer)\n"
        "a = Value(2.0)\n"
        "(y * a + a * a * y).backward()\n"
        "print(x.grad, a.grad)"
    )
    output = b""
    for code in (worker, here):
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, input=output, stdout=subprocess.PIPE, cwd=ROOT, check=True, timeout=60
        )
        output = done.stdout
    assert output.split() == [b"36.0", b"45.0"]  # 6 * 6, and 9 + 4 * 9


# Age, depth and memory


def test_the_age_of_a_node_does_not_matter():
    """A node that was made and walked through long ago has the same turn as a new one."""
    x = Value(4.0)
    old = x**-0.5
    old.backward()
    x.grad = 0.0
    for _ in range(5000):
        (Value(1.0) + 1).backward()
    (old * x + old).backward()  # x^0.5 + x^-0.5
    assert x.grad == pytest.approx(0.25 - 0.0625, rel=1e-15, abs=0)


@pytest.mark.parametrize("length", [5000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_many_nodes_in_a_row(length):
    """Neither backward() nor freeing the graph reaches the recursion limit."""
    x = y = Value(0.5)
    for _ in range(length):
        y = y + 1e-6
    y.backward()
    assert x.grad == 1.0
    del y


def test_a_graph_is_freed_with_its_root(freed_at_once):
    """backward() leaves no reference cycle, so the cyclic collector is not needed."""

    class Watched(Value):  # unlike Value, it can be referred to weakly
        pass

    leaf = Watched(2.0)
    gone = weakref.ref(leaf)
    root = (leaf * 3 + leaf) * leaf
    root.backward()
    del leaf, root
    assert gone() is None

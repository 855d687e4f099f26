"""A GPT, whole: dataset, tokenizer, autograd, model, optimizer, training and sampling, with nothing but Python.

Read it from top to bottom: each chapter builds on those before it. Shapes: (n,) is a list of n numbers, (r, c) a list
of r rows with c numbers each, () a single number. The README has a tour of it, with the numbers of a run.

A port of microgpt.js by Xenova ("the reference"), itself a port of a program by Andrej Karpathy: for the same input and
settings it prints what the reference prints. BLANKS below and the like serve that alone: skip them at first.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import compress
from typing import Any, NoReturn

import random_compat as random  # the file beside this one: CPython's random, the same in all versions of Python

######## Settings: all that can be chosen, in one place ################################################################

def setting(default: float, interval: str, group: str, meaning: str) -> Any:
    """A field of Config. Its interval is checked below; --help prints it with the meaning, under the group's name."""
    return field(default=default, metadata={"interval": interval, "group": group, "meaning": meaning})

@dataclass(frozen=True)
class Config:
    """The settings. Raises ValueError for one outside its interval, and for an n_embd that n_head does not divide."""
    n_embd: int = setting(16, "[1, inf)", "model", "embedding dimension: length of the vector that stands for a token")
    n_head: int = setting(4, "[1, inf)", "model", "number of attention heads; n_embd must be a multiple of it")
    n_layer: int = setting(1, "[1, inf)", "model", "number of layers, each an attention block and an MLP block")
    block_size: int = setting(16, "[1, inf)", "model", "maximum sequence length: what is longer is cut there")
    init_std: float = setting(0.08, "[0, inf)", "model", "standard deviation of the parameters at the start")
    learning_rate: float = setting(0.01, "[0, inf)", "training", "learning rate: at the start; it falls evenly to 0")
    beta1: float = setting(0.85, "[0, 1)", "training", "Adam: decay rate of the running mean of gradients")
    beta2: float = setting(0.99, "[0, 1)", "training", "Adam: decay rate of the running mean of squared gradients")
    eps_adam: float = setting(1e-8, "(0, inf)", "training", "Adam: added to what it divides by, which may be zero")
    num_steps: int = setting(1000, "[0, inf)", "training", "number of training steps, one document each")
    temperature: float = setting(0.5, "(0, inf)", "sampling", "temperature: low is cautious, high is creative")
    num_samples: int = setting(20, "[0, inf)", "sampling", "number of documents to sample after training")
    seed: int = setting(42, "(-inf, inf)", "data", "seed of the random numbers; a minus sign makes no difference")

    def __post_init__(self) -> None:
        for f in fields(self):
            value, interval = getattr(self, f.name), f.metadata["interval"]
            low, high = map(float, interval[1:-1].split(","))
            if not (low < value < high or (value == low and interval[0] == "[")):
                raise ValueError(f"{f.name} is {value}: choose one in {interval}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd is {self.n_embd}: choose a multiple of n_head, which is {self.n_head}")

######## Dataset: documents, one a line ################################################################################

# What JavaScript's trim() strips; Python's strip() would leave the byte order mark and take a few others.
BLANKS = "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"

def load_docs(path: str) -> list[str]:
    """The lines of a file, stripped, without empty ones. Raises ValueError if there are none or they cannot be read."""
    try:
        with open(path, "rb") as file:  # as bytes: in text mode a lone \r would end a line, here only \n does
            text = file.read().decode("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path!r}: {error.strerror}; name a text file, one document a line") from error
    except UnicodeDecodeError as error:
        line_number = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path!r} is not UTF-8 in line {line_number}: save it in that encoding") from error
    docs = [doc for line in text.split("\n") if (doc := line.strip(BLANKS))]
    if not docs:
        raise ValueError(f"{path!r} holds no documents: write at least one, one a line")
    return docs

######## Tokenizer: text to numbers and back ###########################################################################

class Tokenizer:
    """Characters to tokens, numbered from 0 in sorted order, and back. One more token, bos (beginning of sequence),
    stands at both ends of a document: at the start it says "nothing yet", at the end "stop".
    """
    def __init__(self, docs: Sequence[str]) -> None:
        self.uchars = sorted(set("".join(docs)), key=lambda ch: ch.encode("utf-16-be"))  # JavaScript's order
        self.token_ids = {ch: i for i, ch in enumerate(self.uchars)}
        self.bos = len(self.uchars)
        self.vocab_size = len(self.uchars) + 1

    def encode(self, doc: str) -> list[int]:
        """The tokens of doc between two bos. Raises KeyError for a character that is not in the vocabulary."""
        return [self.bos, *(self.token_ids[ch] for ch in doc), self.bos]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, bos left out."""
        return "".join(self.uchars[token_id] for token_id in tokens if token_id != self.bos)

######## Autograd: the chain rule through a graph of numbers ###########################################################

class Value:
    """A number that knows its children, what it was computed from, and its derivative with respect to each of them."""
    __slots__ = ("data", "grad", "children", "local_grads", "mark")  # no __dict__: a step makes thousands of these

    def __init__(self, data: float, children: Sequence[Value] = (), local_grads: Sequence[float] = ()) -> None:
        self.data = data
        self.grad = 0.0  # d(root)/d(this), the root being what backward() is called on: the loss
        self.children = children
        self.local_grads = local_grads  # d(this)/d(child) for each child
        self.mark: object = None  # stamp of the last backward() that has seen it

    def __repr__(self) -> str: return f"Value(data={self.data}, grad={self.grad})"

    def __add__(self, other: Value | float) -> Value:
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0))
        return Value(self.data + other, (self,), (1.0,))

    def __mul__(self, other: Value | float) -> Value:
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data))
        return Value(self.data * other, (self,), (other,))

    def __pow__(self, other: Value | float) -> Value:
        """self to the power of other. Raises ValueError if it or its slope is not real, OverflowError if too large."""
        exponent = other.data if isinstance(other, Value) else other
        power = math.pow(self.data, exponent)
        slope = exponent * math.pow(self.data, exponent - 1) if exponent else 0.0  # x**0 is 1 everywhere
        if isinstance(other, Value):
            return Value(power, (self, other), (slope, power * math.log(self.data)))
        return Value(power, (self,), (slope,))

    # log and exp are for graphs of your own: the model has them inside softmax() and cross_entropy().
    def log(self) -> Value:
        """The natural logarithm; -inf of 0, as in the reference. Raises ValueError below 0."""
        if self.data == 0:
            return Value(-math.inf, (self,), (math.inf,))
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self) -> Value:
        """e to the power of self. Raises OverflowError from 709.79 on."""
        e = math.exp(self.data)
        return Value(e, (self,), (e,))

    def relu(self) -> Value: return Value(max(self.data, 0.0), (self,), (float(self.data > 0),))
    def __neg__(self) -> Value: return self * -1.0
    def __sub__(self, other: Value | float) -> Value: return self + -other
    def __radd__(self, other: float) -> Value: return self + other  # number + Value: Python asks the one at the right
    def __rsub__(self, other: float) -> Value: return -self + other
    def __rmul__(self, other: float) -> Value: return self * other
    def __rtruediv__(self, other: float) -> Value: return self**-1 * other
    def __rpow__(self, other: float) -> Value: return Value(other) ** self
    def __truediv__(self, other: Value | float) -> Value: return self * (1 / other)  # 1 / Value is __rtruediv__

    def chain_rule(self) -> None:
        """Pass grad on to the children: d(loss)/d(child) gains d(loss)/d(this) * d(this)/d(child)."""
        grad = self.grad
        for child, local_grad in zip(self.children, self.local_grads):
            child.grad += local_grad * grad

    def backward(self) -> None:
        """Add d(self)/d(node) to the grad of every node that self was computed from, and 1 to that of self."""
        topo: list[Value] = []  # each node after its children: going back, a grad is whole before it is passed on
        mark = object()  # the stamp of this call alone, so that there is nothing to clear afterwards
        stack = [(self, iter(self.children))]  # "visit my children, then append me"; Python limits recursion
        while stack:
            node, children = stack[-1]
            for child in children:  # an iterator: goes on after the child where it broke off
                if child.mark is not mark:
                    child.mark = mark
                    grandchildren = child.children  # read once: a Dot makes this list anew each time
                    if grandchildren:  # a leaf, such as a parameter, has none and stays out: it passes no grad on
                        stack.append((child, iter(grandchildren)))
                        break
            else:  # the for has come to its end: all children are done
                topo.append(node)
                stack.pop()
        earlier = [(node, node.grad) for node in topo if node.grad]  # left by other calls: kept, not passed on
        for node, _ in earlier:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(topo):
            node.chain_rule()
        for node, grad in earlier:
            node.grad += grad

Vector = list[Value]
Matrix = list[Vector]  # its rows

class Dot(Value):
    """The dot product, (n,) and (n,) to (), a[0] * b[0] + a[1] * b[1] + ..., instead of the 2n - 1 nodes of that sum.

    Fewer nodes take less time; the numbers are the same. Its derivative with respect to a is b, and the other way
    round: it keeps the two lists, so leave them and their data alone until backward() has been called.
    """
    __slots__ = ("a", "b")

    def __init__(self, a: Vector, b: Vector) -> None:
        total = 0.0
        for x, y in zip(a, b):  # not sum(): from Python 3.12 on it rounds differently
            total += x.data * y.data
        self.data, self.grad, self.mark = total, 0.0, None  # the rest of a Value is derived below
        self.a, self.b = a, b

    @property
    def children(self) -> Vector: return self.a + self.b  # type: ignore[override]
    @property
    def local_grads(self) -> list[float]: return [x.data for x in self.b + self.a]  # type: ignore[override]

    def chain_rule(self) -> None:  # as Value's, without making the two lists
        grad = self.grad
        for x, y in zip(self.a, self.b):
            x.grad += y.data * grad
            y.grad += x.data * grad

######## Parameters: the knowledge of the model, random at first #######################################################

def init_state_dict(config: Config, vocab_size: int) -> dict[str, Matrix]:
    """The parameters by name: tables with a row (n_embd,) for each token or position, and matrices (outputs, inputs).

    Drawn from a normal distribution around 0, in the reference's order: another order gives other numbers to each.
    """
    def matrix(nout: int, nin: int) -> Matrix:
        return [[Value(random.gauss(0, config.init_std)) for _ in range(nin)] for _ in range(nout)]

    n_embd = config.n_embd
    state_dict = {"wte": matrix(vocab_size, n_embd)}  # weights of token embeddings: a row for each token
    state_dict["wpe"] = matrix(config.block_size, n_embd)  # of position embeddings: a row for each position
    state_dict["lm_head"] = matrix(vocab_size, n_embd)  # language model head: from a vector to a score for each token
    for li in range(config.n_layer):
        for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):  # query, key, value, output
            state_dict[f"layer{li}.{name}"] = matrix(n_embd, n_embd)
        state_dict[f"layer{li}.mlp_fc1"] = matrix(4 * n_embd, n_embd)  # fully connected, to 4 n_embd hidden units
        state_dict[f"layer{li}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)  # and back
    return state_dict

######## Model: from the tokens so far to a score for each that may follow #############################################
# GPT-2 (A. Radford et al., 2019), with small differences: layernorm -> rmsnorm, no biases, GeLU -> ReLU

def linear(x: Vector, w: Matrix) -> Vector:
    """The matrix product of w (nout, nin) and x (nin,): (nout,)."""
    return [Dot(row, x) for row in w]

def exps_and_sum(logits: Vector) -> tuple[list[float], float]:
    """exp(logit - max_val) for the logits (n,), and the sum of these. In exp / sum, max_val cancels out."""
    max_val = max(logit.data for logit in logits)
    exps = [math.exp(logit.data - max_val) for logit in logits]  # at most 1: none overflows
    total = 0.0
    for e in exps:  # not sum(), as in Dot
        total += e
    return exps, total

def softmax(logits: Vector) -> Vector:
    """Turn scores (n,) into probabilities (n,): exp(logit) over the sum of all exp(logit)."""
    exps, total = exps_and_sum(logits)
    nodes = [Value(e, (logit,), (e,)) for e, logit in zip(exps, logits)]  # exp is its own derivative
    inverse = Value(1 / total, nodes, [-(total**-2)] * len(nodes))  # total is their sum: 1 / total in one node
    return [e * inverse for e in nodes]

def rmsnorm(x: Vector) -> Vector:
    """x / sqrt(mean(x**2) + 1e-5), (n,): scaled to a root mean square of 1. B. Zhang and R. Sennrich (2019)."""
    ms = Dot(x, x) * (1 / len(x))
    s = (ms + 1e-5) ** -0.5
    return [xi * s for xi in x]

def gpt(token_id: int, pos_id: int, keys: list[Matrix], values: list[Matrix],
        state_dict: dict[str, Matrix], config: Config) -> Vector:
    """The logits (vocab_size,), a score for each token that may follow token_id, which stands at pos_id < block_size.

    keys and values, the KV cache, have a matrix for each layer, with a row (n_embd,) for each token so far; the rows of
    this one are appended. Later tokens are not in there: the model cannot look ahead.
    """
    tok_emb = state_dict["wte"][token_id]  # (n_embd,): what the token is
    pos_emb = state_dict["wpe"][pos_id]  # (n_embd,): where it stands
    x = [t + p for t, p in zip(tok_emb, pos_emb)]  # (n_embd,): their sum; x has this shape between all blocks
    x = rmsnorm(x)  # blocks do it again, but what they add to, x_residual, is this x
    head_dim = config.n_embd // config.n_head  # each head has its own elements of a vector: head_dim of them
    scale = 1 / head_dim**0.5  # keeps scores small: softmax of large ones puts all on one, and its slope is near 0
    for li in range(config.n_layer):
        # 1) Multi-head attention block: look back at the tokens so far
        x_residual = x
        x = rmsnorm(x)
        q = linear(x, state_dict[f"layer{li}.attn_wq"])  # query (n_embd,): what this token looks for
        keys[li].append(linear(x, state_dict[f"layer{li}.attn_wk"]))  # key (n_embd,): what it can be found by
        values[li].append(linear(x, state_dict[f"layer{li}.attn_wv"]))  # value (n_embd,): what it tells who finds it
        x_attn: Vector = []  # (n_embd,) when each head has appended what it found
        for hs in range(0, config.n_embd, head_dim):
            he = hs + head_dim  # a head: elements hs to he
            q_h = q[hs:he]  # (head_dim,)
            attn_logits = [Dot(q_h, k[hs:he]) * scale for k in keys[li]]  # (pos_id + 1,): query meets each key
            attn_weights = softmax(attn_logits)  # (pos_id + 1,): how much to take from each token so far
            x_attn += [Dot(attn_weights, [v[j] for v in values[li]]) for j in range(hs, he)]  # weighted mean
        x = linear(x_attn, state_dict[f"layer{li}.attn_wo"])  # (n_embd,): mix what the heads have found
        x = [a + b for a, b in zip(x, x_residual)]  # residual connection: a block adds to x, it does not replace it
        # 2) MLP block (multilayer perceptron, two matrices with relu between): each token by itself
        x_residual = x
        x = rmsnorm(x)
        x = linear(x, state_dict[f"layer{li}.mlp_fc1"])  # (4 * n_embd,)
        live = [not xi.data <= 0 for xi in x]  # above 0, or nan; relu makes the rest 0, which adds nothing in fc2
        x = [xi.relu() for xi in compress(x, live)]  # (live units,); without relu, fc1 and fc2 would be one matrix
        x = [Dot(list(compress(row, live)), x) for row in state_dict[f"layer{li}.mlp_fc2"]]  # (n_embd,)
        x = [a + b for a, b in zip(x, x_residual)]
    return linear(x, state_dict["lm_head"])  # (vocab_size,)

def empty_cache(config: Config) -> tuple[list[Matrix], list[Matrix]]:
    """The keys and values of a document that has not begun."""
    return [[] for _ in range(config.n_layer)], [[] for _ in range(config.n_layer)]

######## Training: a loss, and Adam, the optimizer that lowers it ######################################################

def cross_entropy(logits: Vector, target_id: int) -> Value:
    """-log(softmax(logits)[target_id]), (vocab_size,) to (), as one node; inf if that probability is 0.

    It is log(sum of exps) - logit of the target, so its derivatives are the probabilities, less 1 for the target. Where
    that has so small a probability that 1 / prob, the slope of log, overflows, they are nan, as in the reference.
    """
    exps, total = exps_and_sum(logits)
    probs = [e * (1 / total) for e in exps]
    prob = probs[target_id]
    loss = -math.log(prob) if prob else math.inf
    slopes = [p - (i == target_id) if prob > 2**-1024 else math.nan for i, p in enumerate(probs)]
    return Value(loss, logits, slopes)

def forward(tokens: Sequence[int], state_dict: dict[str, Matrix], config: Config) -> Value:
    """The loss on a document, in nats (log to base e): the mean of -log(probability given to the next token)."""
    n = min(config.block_size, len(tokens) - 1)  # what lies beyond is not read
    keys, values = empty_cache(config)
    losses = []
    for pos_id in range(n):
        token_id, target_id = tokens[pos_id], tokens[pos_id + 1]  # what the model sees, what it should foresee
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        losses.append(cross_entropy(logits, target_id))  # 0 if the target was certain, inf if ruled out
    return sum(losses, Value(0.0)) * (1 / n)  # may yours be low

def train(docs: Sequence[str], tokenizer: Tokenizer, state_dict: dict[str, Matrix], config: Config
          ) -> Iterator[tuple[int, float]]:
    """Train state_dict in place: a generator that takes one step on one document for each (step, loss) it yields.

    Steps count from 1; the loss is the one before the step. Adam: D. P. Kingma and J. Ba (2014).
    Raises FloatingPointError when the loss is not a finite number any more.
    """
    params = [p for matrix in state_dict.values() for row in matrix for p in row]
    m_buf, v_buf = [0.0] * len(params), [0.0] * len(params)  # running means of each gradient (m) and its square (v)
    beta1, beta2, eps_adam = config.beta1, config.beta2, config.eps_adam
    for step in range(config.num_steps):
        loss = forward(tokenizer.encode(docs[step % len(docs)]), state_dict, config)
        if not math.isfinite(loss.data):
            causes = "learning_rate or init_std" if step else "init_std"  # in step 1, nothing is updated yet
            raise FloatingPointError(f"loss is {loss.data} at step {step + 1}: lower {causes}")
        loss.backward()  # now the grad of each parameter says which way the loss rises
        lr_t = config.learning_rate * (1 - step / config.num_steps)  # learning rate decay: shorter and shorter steps
        bc1, bc2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)  # make up for means that start from 0
        for i, p in enumerate(params):
            m_buf[i] = m = beta1 * m_buf[i] + (1 - beta1) * p.grad
            v_buf[i] = v = beta2 * v_buf[i] + (1 - beta2) * (p.grad * p.grad)
            p.data -= lr_t * (m / bc1) / (math.sqrt(v / bc2) + eps_adam)  # downhill, by about lr_t
            p.grad = 0.0
        yield step + 1, loss.data

######## Inference: may the model babble back to us ####################################################################

def sample(tokenizer: Tokenizer, state_dict: dict[str, Matrix], config: Config) -> str:
    """A new document, drawn token by token up to bos or block_size. FloatingPointError if probabilities are nan."""
    keys, values = empty_cache(config)
    token_id, tokens = tokenizer.bos, []
    for pos_id in range(config.block_size):
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        probs = [p.data for p in softmax([logit / config.temperature for logit in logits])]  # below 1: wider gaps
        if math.isnan(probs[0]):  # and with it all the others, through their sum
            raise FloatingPointError(f"probabilities are nan after step {config.num_steps}: "
                                     "lower learning_rate or init_std, or raise temperature")
        [token_id] = random.choices(range(tokenizer.vocab_size), probs)
        if token_id == tokenizer.bos:
            break
        tokens.append(token_id)
    return tokenizer.decode(tokens)

######## Command: python microgpt.py [input] [--setting value ...] #####################################################

def run(path: str, config: Config) -> None:
    """Train on the documents in the file at path, then sample, and print all that the reference prints."""
    random.seed(config.seed)  # let there be order among chaos: of documents, parameters, samples
    docs = load_docs(path)
    random.shuffle(docs)
    print(f"num docs: {len(docs)}")
    tokenizer = Tokenizer(docs)
    print(f"vocab size: {tokenizer.vocab_size}")
    state_dict = init_state_dict(config, tokenizer.vocab_size)
    print(f"num params: {sum(len(row) for matrix in state_dict.values() for row in matrix)}")
    try:
        for step, loss in train(docs, tokenizer, state_dict, config):  # each line is printed over the one before
            print(f"step {step:4d} / {config.num_steps:4d} | loss {loss:.4f}", end="\r", flush=True)
    finally:
        print()  # and the last one stays, even where a run is interrupted
    print("--- inference (new, hallucinated names) ---")
    for sample_idx in range(config.num_samples):
        print(f"sample {sample_idx + 1:2d}: {sample(tokenizer, state_dict, config)}")

class OneLineParser(argparse.ArgumentParser):
    """argparse, with its errors on one line (no usage before it, no line ends copied from argv) in every version."""
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}; --help lists what there is\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        with contextlib.suppress(AttributeError):  # if there is no stderr, the status has to do
            sys.stderr.write(message or "")
        sys.exit(status)

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="", file=file)  # some versions do not tell when this cannot be written

def command_line() -> OneLineParser:
    """The flags: one for each field of Config. Usage and titles are set here, as argparse's differ between versions."""
    about = "Train a GPT on a text file, then let it write more of the kind."
    parser = OneLineParser("microgpt", "%(prog)s [input] [--setting X ...]", about, allow_abbrev=False, add_help=False)
    groups = {title: parser.add_argument_group(title) for title in ("data", "model", "training", "sampling")}
    about = "UTF-8 text, one document a line (default input.txt)"
    groups["data"].add_argument("input", nargs="?", default="input.txt", help=about)
    for f in fields(Config):
        flag, kind = "--" + f.name.replace("_", "-"), type(f.default)
        about = f"{f.metadata['meaning']} ({kind.__name__} in {f.metadata['interval']}, default {f.default})"
        groups[f.metadata["group"]].add_argument(flag, type=kind, default=f.default, metavar="X", help=about)
    parser.add_argument_group("help").add_argument("-h", "--help", action="help", help="print this and exit")
    return parser

def main(argv: Sequence[str] | None = None) -> int:
    """The command; argv defaults to sys.argv[1:]. Returns the exit status: 0 or, as in a shell, 130 after Ctrl-C, 141
    after a closed pipe. Errors are SystemExit and one line on stderr: 1 if the output cannot be written, else 2.
    """
    thresholds = gc.get_threshold() if hasattr(gc, "get_threshold") else ()  # PyPy's collector has none
    try:
        parser = command_line()
        if thresholds:
            gc.set_threshold(100_000)  # a graph is thousands of objects and no cycle: do not search it so often
        if isinstance(sys.stdout, io.TextIOWrapper):  # it is one, unless somebody has replaced or closed it
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # the reference's bytes on every system
        try:
            settings = vars(parser.parse_args(argv))
            path = settings.pop("input")
            run(path, Config(**settings))
        finally:
            print(end="", flush=True)  # at exit, an error in writing would come too late for the lines below
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # from writing: load_docs makes ValueErrors of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try and fail again at exit
        if isinstance(error, BrokenPipeError):  # as in `microgpt | head`: nobody wants more
            return 141
        parser.exit(1, f"{parser.prog}: error: cannot write the output: {error.strerror}\n")
    except MemoryError:
        parser.exit(2, f"{parser.prog}: error: not enough memory: lower n_embd or n_layer, shorten the input\n")
    except (ValueError, FloatingPointError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    finally:
        if thresholds:
            gc.set_threshold(*thresholds)
    return 0

if __name__ == "__main__":
    sys.exit(main())

"""A GPT, whole: dataset, tokenizer, autograd, model, optimizer, training and sampling, with nothing but Python.

Read it from top to bottom: the chapters stand in the order in which the data passes through them.
A port of microgpt.js by Xenova, itself a port of microgpt.py by Andrej Karpathy: what they print, this prints.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

import random_compat as random  # random.seed, random.shuffle, random.gauss, random.choices: CPython's, pinned

######## Settings: all that can be chosen, in one place ################################################################

def setting(default: float, interval: str, meaning: str) -> Any:
    return field(default=default, metadata={"interval": interval, "meaning": meaning})

@dataclass(frozen=True)
class Config:
    """The settings, each with its default and the interval it must lie in. Raises ValueError for one that does not."""
    n_embd: int = setting(16, "[1, inf)", "embedding dimension: length of the vector that stands for a token")
    n_head: int = setting(4, "[1, inf)", "number of attention heads, which divide n_embd among them")
    n_layer: int = setting(1, "[1, inf)", "number of layers, each an attention block and an MLP block")
    block_size: int = setting(16, "[1, inf)", "maximum sequence length: how many tokens the model can look back over")
    init_std: float = setting(0.08, "[0, inf)", "standard deviation of the parameters at the start")
    learning_rate: float = setting(0.01, "[0, inf)", "learning rate at the start; decays to 0 along a straight line")
    beta1: float = setting(0.85, "[0, 1)", "Adam: decay rate of the running mean of gradients")
    beta2: float = setting(0.99, "[0, 1)", "Adam: decay rate of the running mean of squared gradients")
    eps_adam: float = setting(1e-8, "(0, inf)", "Adam: what keeps it from dividing by zero")
    num_steps: int = setting(1000, "[0, inf)", "number of training steps, one document each")
    temperature: float = setting(0.5, "(0, inf)", "temperature of sampling: low is cautious, high is creative")
    num_samples: int = setting(20, "[0, inf)", "number of documents to sample after training")
    seed: int = setting(42, "(-inf, inf)", "seed of the random numbers: the same seed, the same output")

    def __post_init__(self) -> None:
        for f in fields(self):
            value, interval = getattr(self, f.name), f.metadata["interval"]
            low, high = map(float, interval[1:-1].split(","))
            if not (low < value < high or (value == low and interval[0] == "[")):
                raise ValueError(f"{f.name} is {value}: choose one in {interval}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd is {self.n_embd}: choose a multiple of n_head, which is {self.n_head}")

######## Dataset: documents, one a line ################################################################################

BLANKS = "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"

def load_docs(path: str) -> list[str]:
    """The lines of a UTF-8 file, stripped of BLANKS (what JavaScript's trim() strips), without those left empty.

    Raises ValueError for a file that cannot be read, is not UTF-8 or holds no document.
    """
    try:
        with open(path, "rb") as file:  # as bytes: in text mode a lone \r would end a line, too
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

######## Let there be a Tokenizer, to translate text to numbers and back ###############################################

class Tokenizer:
    """Numbers the characters of docs from 0, in sorted order; the next number, bos, marks both ends of a document."""
    def __init__(self, docs: Sequence[str]) -> None:
        self.uchars = sorted(set("".join(docs)), key=lambda ch: ch.encode("utf-16-be"))  # sorted as JavaScript does
        self.token_ids = {ch: i for i, ch in enumerate(self.uchars)}
        self.bos = len(self.uchars)
        self.vocab_size = len(self.uchars) + 1

    def encode(self, doc: str) -> list[int]:
        """The tokens of doc between two bos. Raises KeyError for a character that is not in the vocabulary."""
        return [self.bos, *(self.token_ids[ch] for ch in doc), self.bos]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text that tokens stand for; bos stands for none."""
        return "".join(self.uchars[token_id] for token_id in tokens if token_id != self.bos)

######## Let there be Autograd, to apply the chain rule through a graph of numbers, from the loss back to each parameter

class Value:
    """A number that knows what it was computed from, its children, and its derivative with respect to each of them."""
    __slots__ = ("data", "grad", "children", "local_grads", "mark")

    def __init__(self, data: float, children: Sequence[Value] = (), local_grads: Sequence[float] = ()) -> None:
        self.data = data  # the number
        self.grad = 0.0  # d(loss)/d(this), which backward() adds to
        self.children = children
        self.local_grads = local_grads  # d(this)/d(child) for each child
        self.mark: object = None  # the last backward() that came by

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
        """self to the power of other. Raises ValueError where that or a derivative of it is not a real number."""
        exponent = other.data if isinstance(other, Value) else other
        power = math.pow(self.data, exponent)
        slope = exponent * math.pow(self.data, exponent - 1) if exponent else 0.0
        if isinstance(other, Value):
            return Value(power, (self, other), (slope, power * math.log(self.data)))
        return Value(power, (self,), (slope,))

    def log(self) -> Value:
        """The natural logarithm; of 0 it is -inf, as in the reference. Raises ValueError below 0."""
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
    def __radd__(self, other: float) -> Value: return self + other  # number + Value: Python asks the right-hand side
    def __rsub__(self, other: float) -> Value: return -self + other
    def __rmul__(self, other: float) -> Value: return self * other
    def __rtruediv__(self, other: float) -> Value: return self**-1 * other
    def __rpow__(self, other: float) -> Value: return Value(other) ** self
    def __truediv__(self, other: Value | float) -> Value:
        return self * (other**-1 if isinstance(other, Value) else 1 / other)

    def backward(self) -> None:
        """Add d(self)/d(node) to the grad of every node that self was computed from, and 1 to that of self."""
        topo: list[Value] = []  # the nodes that have children, each after all of its children
        mark = self.mark = object()  # this call's own, so that there is nothing to clear afterwards
        stack = [(self, iter(self.children))]  # where a recursive function would end at Python's recursion limit
        while stack:
            node, children = stack[-1]
            for child in children:  # goes on where it broke off
                if child.children and child.mark is not mark:
                    child.mark = mark
                    stack.append((child, iter(child.children)))
                    break
            else:
                topo.append(node)
                stack.pop()
        earlier = [(node, node.grad) for node in topo if node.grad]  # gradients from other calls flow no second time
        for node, _ in earlier:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(topo):
            grad = node.grad
            for child, local_grad in zip(node.children, node.local_grads):
                child.grad += local_grad * grad  # the chain rule
        for node, grad in earlier:
            node.grad += grad

Vector = list[Value]
Matrix = list[Vector]  # a list of rows

def dot(a: Vector, b: Vector) -> Value:
    """The dot product of (n,) and (n,), a[0] * b[0] + a[1] * b[1] + ..., as one node where that sum makes 2n - 1."""
    a_data, b_data = [x.data for x in a], [y.data for y in b]
    total = 0.0
    for x, y in zip(a_data, b_data):  # not sum(), which rounds differently from Python 3.12 on
        total += x * y
    return Value(total, (*a, *b), (*b_data, *a_data))

######## Parameters: the knowledge of the model, random at first #######################################################

def init_state_dict(config: Config, vocab_size: int) -> dict[str, Matrix]:
    """The parameters: a matrix (outputs, inputs) for each name, drawn from a normal distribution around 0."""
    def matrix(nout: int, nin: int) -> Matrix:
        return [[Value(random.gauss(0, config.init_std)) for _ in range(nin)] for _ in range(nout)]

    n_embd = config.n_embd
    state_dict = {"wte": matrix(vocab_size, n_embd)}  # token embeddings
    state_dict["wpe"] = matrix(config.block_size, n_embd)  # position embeddings
    state_dict["lm_head"] = matrix(vocab_size, n_embd)  # language model head, from a vector to a score for each token
    for li in range(config.n_layer):
        for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):  # query, key, value, output
            state_dict[f"layer{li}.{name}"] = matrix(n_embd, n_embd)
        state_dict[f"layer{li}.mlp_fc1"] = matrix(4 * n_embd, n_embd)  # to the hidden units
        state_dict[f"layer{li}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)  # and back
    return state_dict

######## Model: from a token and what came before it to a score for each token that may follow #########################
# GPT-2 (A. Radford et al., 2019) with small differences: layernorm -> rmsnorm, no biases, GeLU -> ReLU

def linear(x: Vector, w: Matrix) -> Vector:
    """The matrix product of w (nout, nin) and x (nin,): (nout,)."""
    return [dot(wo, x) for wo in w]

def softmax(logits: Vector) -> Vector:
    """Turn scores (n,) into probabilities (n,): exp(logit) over the sum of all exp(logit)."""
    max_val = max(logit.data for logit in logits)  # subtracted, so that no exp overflows; it cancels out
    exps = [(logit - max_val).exp() for logit in logits]
    total = sum(exps, Value(0.0))
    return [e / total for e in exps]

def rmsnorm(x: Vector) -> Vector:
    """Scale x (n,) to a root mean square of 1: x / sqrt(mean(x**2) + 1e-5). B. Zhang and R. Sennrich (2019)."""
    ms = dot(x, x) * (1 / len(x))
    s = (ms + 1e-5) ** -0.5
    return [xi * s for xi in x]

def gpt(token_id: int, pos_id: int, keys: list[Matrix], values: list[Matrix],
        state_dict: dict[str, Matrix], config: Config) -> Vector:
    """The logits (vocab_size,) of what follows token_id, which stands at position pos_id, counted from 0.

    keys and values, the KV cache, hold a matrix (pos_id, n_embd) for each layer: a row for each token before this one.
    The row of this one is appended.
    """
    tok_emb = state_dict["wte"][token_id]  # what the token is
    pos_emb = state_dict["wpe"][pos_id]  # where it stands
    x = rmsnorm([t + p for t, p in zip(tok_emb, pos_emb)])  # (n_embd,)
    head_dim = config.n_embd // config.n_head  # dimension of each head
    scale = 1 / head_dim**0.5
    for li in range(config.n_layer):
        # 1) Multi-head attention block: look back at the tokens so far
        x_residual = x
        x = rmsnorm(x)
        q = linear(x, state_dict[f"layer{li}.attn_wq"])  # query: what is looked for
        keys[li].append(linear(x, state_dict[f"layer{li}.attn_wk"]))  # key: what it is found by
        values[li].append(linear(x, state_dict[f"layer{li}.attn_wv"]))  # value: what is then passed on
        x_attn = []
        for hs in range(0, config.n_embd, head_dim):  # the head that has the elements from hs to he
            he = hs + head_dim
            attn_logits = [dot(q[hs:he], k[hs:he]) * scale for k in keys[li]]  # (pos_id + 1,)
            attn_weights = softmax(attn_logits)
            x_attn += [dot(attn_weights, [v[j] for v in values[li]]) for j in range(hs, he)]
        x = linear(x_attn, state_dict[f"layer{li}.attn_wo"])
        x = [a + b for a, b in zip(x, x_residual)]
        # 2) MLP block: think about what was found
        x_residual = x
        x = rmsnorm(x)
        x = linear(x, state_dict[f"layer{li}.mlp_fc1"])  # (4 * n_embd,)
        x = [xi.relu() for xi in x]
        x = linear(x, state_dict[f"layer{li}.mlp_fc2"])
        x = [a + b for a, b in zip(x, x_residual)]
    return linear(x, state_dict["lm_head"])

def empty_cache(config: Config) -> tuple[list[Matrix], list[Matrix]]:
    """The keys and values of a document that has not begun."""
    return [[] for _ in range(config.n_layer)], [[] for _ in range(config.n_layer)]

######## Training: let there be a loss, and Adam, the optimizer that lowers it #########################################

def forward(tokens: Sequence[int], state_dict: dict[str, Matrix], config: Config) -> Value:
    """The loss on a document: -log(probability of the next token), averaged over its tokens, in nats."""
    n = min(config.block_size, len(tokens) - 1)
    keys, values = empty_cache(config)
    losses = []
    for pos_id in range(n):
        token_id, target_id = tokens[pos_id], tokens[pos_id + 1]
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        losses.append(-softmax(logits)[target_id].log())
    return sum(losses, Value(0.0)) * (1 / n)  # may it be low

def train(docs: Sequence[str], tokenizer: Tokenizer, state_dict: dict[str, Matrix], config: Config
          ) -> Iterator[tuple[int, float]]:
    """Train the parameters in place: each turn is one step on one document, and yields (step, loss), from step 1 on.

    Adam: D. P. Kingma and J. Ba (2014). Raises FloatingPointError when the loss is not a finite number any more.
    """
    params = [p for matrix in state_dict.values() for row in matrix for p in row]
    m_buf, v_buf = [0.0] * len(params), [0.0] * len(params)  # running means of each gradient and of its square
    beta1, beta2, eps_adam = config.beta1, config.beta2, config.eps_adam
    for step in range(config.num_steps):
        loss = forward(tokenizer.encode(docs[step % len(docs)]), state_dict, config)
        if not math.isfinite(loss.data):
            raise FloatingPointError(f"loss is {loss.data} at step {step + 1}: lower learning_rate or init_std")
        loss.backward()
        lr_t = config.learning_rate * (1 - step / config.num_steps)  # linear learning rate decay
        bc1, bc2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)  # make up for means that start from 0
        for i, p in enumerate(params):
            m_buf[i] = m = beta1 * m_buf[i] + (1 - beta1) * p.grad
            v_buf[i] = v = beta2 * v_buf[i] + (1 - beta2) * (p.grad * p.grad)
            p.data -= lr_t * (m / bc1) / (math.sqrt(v / bc2) + eps_adam)
            p.grad = 0.0
        yield step + 1, loss.data

######## Inference: may the model babble back to us ####################################################################

def sample(tokenizer: Tokenizer, state_dict: dict[str, Matrix], config: Config) -> str:
    """A new document, drawn token by token until bos comes up or block_size is reached.

    Raises FloatingPointError when the probabilities are not numbers any more.
    """
    keys, values = empty_cache(config)
    token_id, tokens = tokenizer.bos, []
    for pos_id in range(config.block_size):
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        probs = [p.data for p in softmax([logit / config.temperature for logit in logits])]
        if math.isnan(probs[0]):
            raise FloatingPointError("probabilities are nan: lower learning_rate or init_std, or raise temperature")
        [token_id] = random.choices(range(tokenizer.vocab_size), probs)
        if token_id == tokenizer.bos:
            break
        tokens.append(token_id)
    return tokenizer.decode(tokens)

######## The command: python microgpt.py [input] [--setting value ...] #################################################

def run(path: str, config: Config) -> None:
    """Train on the documents in the file at path, then sample, and print all that the reference prints."""
    random.seed(config.seed)  # let there be order among chaos
    docs = load_docs(path)
    random.shuffle(docs)
    print(f"num docs: {len(docs)}")
    tokenizer = Tokenizer(docs)
    print(f"vocab size: {tokenizer.vocab_size}")
    state_dict = init_state_dict(config, tokenizer.vocab_size)
    print(f"num params: {sum(len(row) for matrix in state_dict.values() for row in matrix)}")
    for step, loss in train(docs, tokenizer, state_dict, config):  # each line is printed over the one before
        print(f"step {step:4d} / {config.num_steps:4d} | loss {loss:.4f}", end="\r", flush=True)
    print("\n--- inference (new, hallucinated names) ---")
    for sample_idx in range(config.num_samples):
        print(f"sample {sample_idx + 1:2d}: {sample(tokenizer, state_dict, config)}")

class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; --help lists what there is\n")

def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line argv. Returns its exit status; what the user can mend ends in SystemExit(2) and one line."""
    about = "Train a GPT on a text file, then let it write more of the kind."
    parser = OneLineParser(prog="microgpt", description=about, allow_abbrev=False)
    parser.add_argument("input", nargs="?", default="input.txt", help="UTF-8, one document a line (default: input.txt)")
    for f in fields(Config):
        flag, kind = "--" + f.name.replace("_", "-"), type(f.default)
        about = f"{f.metadata['meaning']} ({kind.__name__} in {f.metadata['interval']}, default {f.default})"
        parser.add_argument(flag, type=kind, default=f.default, metavar="X", help=about)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # the reference's bytes, whatever this system prefers
    try:
        settings = vars(parser.parse_args(argv))
        run(settings.pop("input"), Config(**settings))
        print(end="", flush=True)  # what is still buffered goes out here, where errors are dealt with
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # on stdout, since load_docs speaks for itself
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain once more at exit
        if isinstance(error, BrokenPipeError):  # as in `microgpt | head`: nobody wants more
            return 141
        parser.exit(1, f"{parser.prog}: error: cannot write the output: {error.strerror}\n")
    except (ValueError, FloatingPointError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    return 0

if __name__ == "__main__":
    sys.exit(main())

"""A whole GPT in plain Python: it learns from the lines of a text file, and then writes new ones.

There is no magic in it, only arithmetic and the chain rule, and all of that is in this file. What
large models add is size and speed.

Read from top to bottom: text, tokens, autograd, settings, weights, model, training and sampling.
Then run() puts them together, and the rest is the command line. Comments give shapes: (n,) is a
list of n numbers, and (r, c) is a list of r rows with c numbers each.

A port of microgpt.js by Xenova, itself a port of microgpt.py by Andrej Karpathy.
"""

import argparse
import gc
import math
import signal
import sys
from dataclasses import dataclass, field, fields

import random_compat as random  # Python's random, written out: the same draws in every version

# ---- Dataset: one document per line --------------------------------------------------------------


def load_docs(path):
    """The lines of a text file, stripped, without the blank ones."""
    with open(path, encoding="utf-8-sig") as file:
        return [line.strip() for line in file if line.strip()]


# ---- Tokenizer: text to numbers and back ---------------------------------------------------------


class Tokenizer:
    """Gives each character of docs a number, its token id: a label, not an amount."""

    def __init__(self, docs):
        self.uchars = sorted(set("".join(docs)))  # unique characters: token ids 0 to n - 1
        self.char_to_id = {ch: i for i, ch in enumerate(self.uchars)}
        self.bos = len(self.uchars)  # beginning of sequence; after a doc it marks the end
        self.vocab_size = len(self.uchars) + 1

    def encode(self, doc):
        """The token ids of doc, between two bos. Raises KeyError for an unknown character."""
        return [self.bos] + [self.char_to_id[ch] for ch in doc] + [self.bos]

    def decode(self, tokens):
        """The text of these token ids, without bos."""
        return "".join(self.uchars[token_id] for token_id in tokens if token_id != self.bos)


# ---- Autograd: the chain rule through a graph of numbers -----------------------------------------


class Value:
    """A number that remembers what it was computed from, and its derivative with respect to each.

    After x = Value(3.0), y = x * x and y.backward(), dy/dx is in x.grad: 6.0. All derivatives are
    checked against finite differences in tests/test_gradients.py."""

    __slots__ = ("data", "grad", "children", "local_grads")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0  # d(loss)/d(self), once loss.backward() has run
        self.children = children  # what it was computed from; a leaf, such as a weight, has none
        self.local_grads = local_grads  # its derivatives: d(self)/d(child) for each

    # Operations, each with its derivatives. A plain number is a constant, and gets no gradient.

    def __add__(self, other):
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0))
        return Value(self.data + other, (self,), (1.0,))

    def __mul__(self, other):
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data))
        return Value(self.data * other, (self,), (other,))

    def __truediv__(self, other):
        if isinstance(other, Value):
            quotient = self.data / other.data  # d(a / b)/da = 1 / b, d(a / b)/db = -a / b**2
            return Value(quotient, (self, other), (1 / other.data, -quotient / other.data))
        return Value(self.data / other, (self,), (1 / other,))

    def __pow__(self, exponent):  # exponent is a plain number; ** could give a complex one
        derivative = exponent * math.pow(self.data, exponent - 1)
        return Value(math.pow(self.data, exponent), (self,), (derivative,))

    def log(self):
        if self.data == 0:
            return Value(-math.inf, (self,), (math.inf,))  # the limit: math.log(0) is an error
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        result = math.exp(self.data)  # its own derivative
        return Value(result, (self,), (result,))

    def relu(self):
        if self.data <= 0:
            return Value(0.0)  # a constant: the derivative is 0, and nothing flows back
        return Value(self.data, (self,), (1.0,))

    # Operations that follow from these. For 2 - x, Python calls x.__rsub__(2).

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __rtruediv__(self, other):
        return Value(other) / self

    def __repr__(self):
        return f"Value(data={self.data}, grad={self.grad})"

    def backward(self):
        """Adds d(self)/d(leaf) to the grad of each leaf, so that the grads of two calls add up."""
        order = topological_order(self)
        for node in order:
            node.grad = 0.0  # inner nodes start again from 0
        self.grad += 1.0  # d(self)/d(self)

        for node in reversed(order):
            # Everything that was computed from this node has had its turn, so its grad is complete.
            grad = node.grad
            for child, local_grad in zip(node.children, node.local_grads):
                child.grad += local_grad * grad  # the chain rule, summed over all paths


def topological_order(root):
    """root and the inner nodes that it was computed from, each after its children."""
    # Each node lists its children, and then itself. A recursive function would do that, but the sum
    # of 1000 terms is a graph 1000 nodes deep, and that is Python's limit. So nodes wait on a stack
    # and have two turns: the first puts the node's children on top of it, the second lists it.
    order, visited = [], set()
    stack = [(root, False)] if root.children else []
    while stack:
        node, second_turn = stack.pop()
        if second_turn:
            order.append(node)
        elif node not in visited:
            visited.add(node)
            stack.append((node, True))
            for child in node.children:
                if child.children and child not in visited:  # leaves have nothing to pass on
                    stack.append((child, False))
    return order


def dot(a, b):
    """The dot product of a (n,) and b (n,) as one node.

    sum(x * y for x, y in zip(a, b)) has the same value and the same gradients, but makes about 2n
    nodes. This is efficiency, not algorithm."""
    assert len(a) == len(b), f"dot product of {len(a)} and {len(b)} numbers"
    a_data, b_data = [x.data for x in a], [x.data for x in b]
    total = 0.0
    for x, y in zip(a_data, b_data):  # no sum(): for floats, it differs from Python 3.12 on
        total += x * y
    return Value(total, [*a, *b], [*b_data, *a_data])  # d(total)/da is b, d(total)/db is a


# ---- Settings ------------------------------------------------------------------------------------


def setting(default, about, least=0):
    """A field of Config: its default, what it is (--help says the same), and its least value."""
    return field(default=default, metadata={"about": about, "least": least})


@dataclass(frozen=True)
class Config:
    """All that can be chosen, as in Config(n_layer=2). Raises ValueError for impossible values."""

    n_embd: int = setting(16, "embedding dimension: how many numbers stand for a token", least=1)
    n_head: int = setting(4, "number of attention heads; must divide n_embd", least=1)
    n_layer: int = setting(1, "number of layers, each with attention and an MLP")
    block_size: int = setting(16, "how many tokens are read; longer documents are cut", least=1)
    init_std: float = setting(0.08, "standard deviation of the initial weights")
    learning_rate: float = setting(0.01, "how far a weight moves in the first step; decays to 0")
    beta1: float = setting(0.85, "Adam: how much of the mean gradient is kept in each step")
    beta2: float = setting(0.99, "Adam: how much of the mean square is kept in each step")
    eps_adam: float = setting(1e-8, "Adam: keeps the divisor above 0")
    num_steps: int = setting(1000, "number of training steps, one document each")
    temperature: float = setting(0.5, "sampling: low is predictable, high is varied")
    num_samples: int = setting(20, "number of samples to draw after training")
    seed: int = setting(42, "seed of the random numbers", least=None)
    prompt: str = setting("", "text that each sample begins with", least=None)

    def __post_init__(self):
        for f in fields(self):
            value, least = getattr(self, f.name), f.metadata["least"]
            types = (int, float) if f.type is float else f.type  # an int will do as a float
            if not isinstance(value, types):
                raise ValueError(f"{f.name} must be of type {f.type.__name__}, not {value!r}")
            if least is not None and not least <= value <= sys.float_info.max:
                raise ValueError(f"{f.name} must be finite and at least {least}, not {value}")
        if self.temperature == 0 or self.eps_adam == 0:
            raise ValueError("temperature and eps_adam must be above 0")
        if self.beta1 >= 1 or self.beta2 >= 1:
            raise ValueError("beta1 and beta2 must be below 1")
        if self.n_embd % self.n_head > 0:
            raise ValueError(f"n_head ({self.n_head}) must divide n_embd ({self.n_embd})")
        if len(self.prompt) >= self.block_size:
            raise ValueError(f"prompt must be shorter than block_size, which is {self.block_size}")


# ---- Parameters: what the model knows, random at first -------------------------------------------


def init_state_dict(config, vocab_size):
    """The weights: matrices by name, drawn from a normal distribution around 0."""
    n_embd, std = config.n_embd, config.init_std

    def matrix(nout, nin):
        return [[Value(random.gauss(0, std)) for _ in range(nin)] for _ in range(nout)]

    state_dict = {"wte": matrix(vocab_size, n_embd)}  # token embeddings: a row per token
    state_dict["wpe"] = matrix(config.block_size, n_embd)  # position embeddings: one per position
    state_dict["lm_head"] = matrix(vocab_size, n_embd)  # language model head; GPT-2 reuses wte here
    for li in range(config.n_layer):
        state_dict[f"layer{li}.attn_wq"] = matrix(n_embd, n_embd)  # query
        state_dict[f"layer{li}.attn_wk"] = matrix(n_embd, n_embd)  # key
        state_dict[f"layer{li}.attn_wv"] = matrix(n_embd, n_embd)  # value
        state_dict[f"layer{li}.attn_wo"] = matrix(n_embd, n_embd)  # output
        state_dict[f"layer{li}.mlp_fc1"] = matrix(4 * n_embd, n_embd)  # fully connected: wider
        state_dict[f"layer{li}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)  # and back to n_embd
    return state_dict


def parameters(state_dict):
    """All weights as one list, in the order of their matrices."""
    return [p for matrix in state_dict.values() for row in matrix for p in row]


# ---- Model: GPT-2 (Radford et al., 2019), simplified ---------------------------------------------
# It has RMSNorm in place of LayerNorm, with one after the embeddings and none at the end, ReLU in
# place of GELU, and no biases.


def linear(x, w):
    """The matrix w (nout, nin) times the vector x (nin,): a vector (nout,)."""
    return [dot(row, x) for row in w]


def add(a, b):
    """The sum of the vectors a (n,) and b (n,)."""
    assert len(a) == len(b), f"sum of {len(a)} and {len(b)} numbers"
    return [x + y for x, y in zip(a, b)]


def softmax(logits):
    """Turns scores (n,) into probabilities (n,): at least 0, adding up to 1.

    Raises FloatingPointError where they would be nan, since a score is infinite or nan itself."""
    max_val = max(logit.data for logit in logits)
    exps = [(logit - max_val).exp() for logit in logits]  # the shift cancels; exp can't overflow
    total = sum(exps)
    if math.isnan(total.data):
        raise FloatingPointError("a score is infinite or nan")
    return [e / total for e in exps]


def rmsnorm(x):
    """Scales x (n,) so that the mean of its squares is about 1 (Zhang and Sennrich, 2019)."""
    mean_square = dot(x, x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5  # 1e-5: never a division by 0
    return [xi * scale for xi in x]


def attention(x, li, keys, values, state_dict, config):
    """Looks back at the tokens so far, and returns a mixture (n_embd,) of their values.

    Appends to keys and values. No mask is needed, since the future has not been read yet."""
    q = linear(x, state_dict[f"layer{li}.attn_wq"])  # query: what this token looks for
    k = linear(x, state_dict[f"layer{li}.attn_wk"])  # key: what it can be found by
    v = linear(x, state_dict[f"layer{li}.attn_wv"])  # value: what it passes on when attended to
    keys.append(k)  # a vector (n_embd,) for each token so far
    values.append(v)
    head_dim = config.n_embd // config.n_head
    x_attn = []
    for h in range(config.n_head):  # several heads, since each can look for something else
        head = slice(h * head_dim, (h + 1) * head_dim)  # this head's part of each vector
        q_h = q[head]  # (head_dim,)
        k_h = [key[head] for key in keys]  # (tokens so far, head_dim)
        v_h = [value[head] for value in values]  # (tokens so far, head_dim)

        # How well does each key fit the query? A sum of head_dim random terms of size 1 has a size
        # of about the square root of head_dim. Dividing by that root keeps scores near 1 in a head
        # of any width. With large scores, softmax would give nearly all to a single key.
        attn_logits = [score / head_dim**0.5 for score in linear(q_h, k_h)]
        attn_weights = softmax(attn_logits)  # (tokens so far,): weights for a mean of the values
        columns = list(zip(*v_h))  # (head_dim, tokens so far): v_h transposed
        x_attn += linear(attn_weights, columns)  # (head_dim,): the mean of each column
    return linear(x_attn, state_dict[f"layer{li}.attn_wo"])  # mixes what the heads have found


def mlp(x, li, state_dict):
    """Multilayer perceptron: works on one token by itself, x (n_embd,), and returns (n_embd,)."""
    x = linear(x, state_dict[f"layer{li}.mlp_fc1"])  # (4 * n_embd,)
    x = [xi.relu() for xi in x]  # without it, the two matrices could be one
    return linear(x, state_dict[f"layer{li}.mlp_fc2"])


def gpt(token_id, pos_id, keys, values, state_dict, config):
    """Reads the token at pos_id and returns logits (vocab_size,): scores for the next one.

    keys[li] and values[li] remember the tokens so far. Gradients flow back through both."""
    tok_emb = state_dict["wte"][token_id]  # (n_embd,): which token it is
    pos_emb = state_dict["wpe"][pos_id]  # (n_embd,): where it stands
    x = rmsnorm(add(tok_emb, pos_emb))  # (n_embd,), mean square about 1
    for li in range(config.n_layer):
        # Residual connections: each part adds to x and replaces nothing. So what x held is not
        # lost, and gradients have a direct way back through the sums.
        x = add(x, attention(rmsnorm(x), li, keys[li], values[li], state_dict, config))
        x = add(x, mlp(rmsnorm(x), li, state_dict))
    return linear(x, state_dict["lm_head"])


def empty_cache(config):
    """keys and values before the first token: an empty list for each layer."""
    return [[] for _ in range(config.n_layer)], [[] for _ in range(config.n_layer)]


# ---- Training: a loss, and Adam, which lowers it -------------------------------------------------


def document_loss(tokens, state_dict, config):
    """The mean of -log(probability of the next token) over the first block_size tokens."""
    keys, values = empty_cache(config)
    losses = []
    for pos_id in range(min(config.block_size, len(tokens) - 1)):
        token_id, target_id = tokens[pos_id], tokens[pos_id + 1]
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        probs = softmax(logits)
        losses.append(-probs[target_id].log())  # 0 when certain; 3.3 for a blind guess among 27
    return sum(losses) / len(losses)


def train(docs, tokenizer, state_dict, config):
    """A generator that takes a step of training at each turn of a loop, and yields (step, loss).

    Changes the weights in place. Raises FloatingPointError when numbers overflow."""
    params = parameters(state_dict)
    m_buf = [0.0] * len(params)  # Adam's memory: a running mean of each gradient
    v_buf = [0.0] * len(params)  # and a running mean of its square
    beta1, beta2, eps_adam = config.beta1, config.beta2, config.eps_adam
    for step in range(config.num_steps):
        loss = document_loss(tokenizer.encode(docs[step % len(docs)]), state_dict, config)
        for p in params:
            p.grad = 0.0  # since backward adds to it
        loss.backward()

        # Adam (Kingma and Ba, 2014) walks downhill: it moves each weight against its mean gradient.
        # It divides by the gradient's usual size, the root of its mean square, so that weights with
        # small gradients move, too. Both means begin at 0: the corrections make up for that.
        lr_t = config.learning_rate * (1 - step / config.num_steps)  # linear decay
        correction1, correction2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
        for i, p in enumerate(params):
            g = p.grad
            m_buf[i] = beta1 * m_buf[i] + (1 - beta1) * g
            v_buf[i] = beta2 * v_buf[i] + (1 - beta2) * g * g
            m_hat = m_buf[i] / correction1
            v_hat = v_buf[i] / correction2
            p.data -= lr_t * m_hat / (math.sqrt(v_hat) + eps_adam)
        yield step + 1, loss.data
        del loss  # frees the graph before the next one is built


# ---- Sampling: may the model babble back to us ---------------------------------------------------


def sample(tokenizer, state_dict, config):
    """A new document: the prompt, continued token by token until bos or block_size."""
    keys, values = empty_cache(config)
    tokens = tokenizer.encode(config.prompt)[:-1]  # bos and the prompt
    for pos_id in range(config.block_size):
        logits = gpt(tokens[pos_id], pos_id, keys, values, state_dict, config)
        if pos_id + 1 < len(tokens):
            continue  # still reading the prompt: the next token is known

        # Dividing by a temperature below 1 widens the gaps between scores: likely tokens are drawn
        # even more often. Above 1 it narrows them.
        probs = softmax([logit / config.temperature for logit in logits])
        token_id = random.choices(range(tokenizer.vocab_size), [p.data for p in probs])[0]
        if token_id == tokenizer.bos:
            break
        tokens.append(token_id)
    return tokenizer.decode(tokens)


# ---- Run: all of it, in order --------------------------------------------------------------------


def check_docs(docs, prompt):
    """Raises ValueError if there is nothing to learn from, or no token for the prompt."""
    if not docs:
        raise ValueError("there are no documents")
    unknown = set(prompt) - set("".join(docs))
    if unknown:
        raise ValueError(f"prompt has {min(unknown)!r}, a character that is in no document")


def run(docs, config):
    """Trains a model on docs, samples from it, and prints what comes out. Does not change docs.

    Raises ValueError for docs or a prompt that it can't use, FloatingPointError as train() does."""
    docs = list(docs)
    check_docs(docs, config.prompt)
    random.seed(config.seed)  # let there be order among chaos: the same seed, the same run
    random.shuffle(docs)
    tokenizer = Tokenizer(docs)
    state_dict = init_state_dict(config, tokenizer.vocab_size)
    print(f"num docs: {len(docs)}")
    print(f"vocab size: {tokenizer.vocab_size}")
    print(f"num params: {len(parameters(state_dict))}", flush=True)
    for step, loss in train(docs, tokenizer, state_dict, config):
        print(f"step {step:4d} / {config.num_steps:4d} | loss {loss:.4f}", end="\r", flush=True)
    print("\n--- inference (new, hallucinated names) ---", flush=True)
    for i in range(config.num_samples):
        print(f"sample {i + 1:2d}: {sample(tokenizer, state_dict, config)}", flush=True)


# ---- Command: python microgpt.py [input] [--n-layer 2] ... ---------------------------------------


def main():
    """The command line: settings from its flags, documents from a file. See --help."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it as it ends cat
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # the same bytes on every system
    if sys.implementation.name == "cpython":
        gc.disable()  # a tenth faster: graphs have no cycles, and are freed without it

    description = "Trains a small GPT on the lines of a text file, and lets it write new ones."
    parser = argparse.ArgumentParser(prog="microgpt", description=description)
    parser.add_argument("input", nargs="?", default="input.txt", help="text, one document per line")
    for f in fields(Config):
        flag, kind = "--" + f.name.replace("_", "-"), f.type.__name__.upper()
        about = f"{f.metadata['about']} (default: {'none' if f.default == '' else f.default})"
        parser.add_argument(flag, type=f.type, metavar=kind, default=f.default, help=about)
    settings = vars(parser.parse_args())
    path = settings.pop("input")
    try:
        config, docs = Config(**settings), load_docs(path)
        check_docs(docs, config.prompt)
    except (OSError, UnicodeError) as error:
        parser.error(f"cannot read {path}: {error}")
    except ValueError as error:
        parser.error(str(error))
    try:
        run(docs, config)
    except FloatingPointError as error:
        print()  # leaves the step line
        advice = "try a lower --learning-rate or --init-std, or a higher --temperature"
        parser.exit(1, f"microgpt: error: {error}; {advice}\n")


if __name__ == "__main__":
    main()

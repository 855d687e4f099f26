"""A GPT in plain Python: dataset, tokenizer, autograd, model, training and sampling.
Read it from top to bottom. Comments give shapes: (n,) is a list of n numbers, (r, c) is a list of
r rows with c numbers each, and () is one number. README.md tells the story with numbers.
A port of microgpt.js by Xenova, itself a port of microgpt.py by Andrej Karpathy."""

import argparse
import gc
import itertools
import math
import signal
import sys
from dataclasses import dataclass, field, fields

import random_compat as random  # draws what Python's own random draws, in every version of Python

__all__ = ["Config", "Tokenizer", "Value", "document_loss", "dot", "gpt", "init_state_dict",
           "linear", "load_docs", "mlp", "rmsnorm", "run", "sample", "softmax", "train"]

# ==== Settings: all that can be chosen ============================================================
BOUNDS = {"at_least": lambda x, y: x >= y, "above": lambda x, y: x > y, "below": lambda x, y: x < y}
def setting(default, about, **bounds):
    return field(default=default, metadata={"about": about, "bounds": bounds})

@dataclass(frozen=True)
class Config:
    """The settings. Raises TypeError for a wrong type, ValueError for a value out of bounds."""
    n_embd: int = setting(16, "embedding dimension: how many numbers stand for a token", at_least=1)
    n_head: int = setting(4, "number of attention heads; must divide n_embd", at_least=1)
    n_layer: int = setting(1, "number of layers", at_least=1)
    block_size: int = setting(16, "maximum sequence length; the rest is cut off", at_least=1)
    init_std: float = setting(0.08, "standard deviation of the initial weights", at_least=0)
    learning_rate: float = setting(0.01, "learning rate, decaying linearly to 0", at_least=0)
    beta1: float = setting(0.85, "Adam: share kept of the mean gradient", at_least=0, below=1)
    beta2: float = setting(0.99, "Adam: share kept of the mean square", at_least=0, below=1)
    eps_adam: float = setting(1e-8, "Adam: keeps the divisor above 0", above=0)
    num_steps: int = setting(1000, "number of training steps, one document each", at_least=0)
    temperature: float = setting(0.5, "low: predictable samples; high: varied ones", above=0)
    num_samples: int = setting(20, "number of samples to draw after training", at_least=0)
    seed: int = setting(42, "seed of the random numbers")
    prompt: str = setting("", "text that each sample begins with")

    def __post_init__(self):
        for f in fields(self):
            value, kind = getattr(self, f.name), type(f.default)
            if not isinstance(value, (int, float) if kind is float else kind):
                raise TypeError(f"{f.name} must be of type {kind.__name__}, not {value!r}")
            for b, limit in f.metadata["bounds"].items():
                if not BOUNDS[b](value, limit):  # nan fails every comparison
                    raise ValueError(f"{f.name} must be {b.replace('_', ' ')} {limit}, not {value}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd must be a multiple of n_head, which {self.n_embd} is not")
        if len(self.prompt) >= self.block_size:
            raise ValueError(f"prompt must be shorter than block_size ({self.block_size})")

# ==== Dataset: documents, one a line ==============================================================
BLANKS = ("\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
          "\u2028\u2029\u202f\u205f\u3000\ufeff")  # JavaScript's blanks: Python's differ

def load_docs(path: str) -> list[str]:
    """The lines of a UTF-8 text file, without blank ones. Raises ValueError if none is left."""
    with open(path, encoding="utf-8", newline="\n") as file:
        docs = [doc for line in file if (doc := line.strip(BLANKS))]
    if not docs:
        raise ValueError(f"{path} has no documents: write at least one, one a line")
    return docs

# ==== Tokenizer: text to numbers and back =========================================================
class Tokenizer:
    """Numbers the characters from 0 up. Such a number, a token, is a label, not an amount."""
    def __init__(self, docs: list[str]):
        self.uchars = sorted(set("".join(docs)), key=lambda ch: ch.encode("utf-16-be"))  # as in JS
        self.char_to_id = {ch: i for i, ch in enumerate(self.uchars)}
        self.bos = len(self.uchars)  # beginning of sequence: a token at both ends of a document
        self.vocab_size = len(self.uchars) + 1
    def encode(self, doc: str) -> list[int]:
        """The tokens of doc between two bos. Raises KeyError for a character without a token."""
        return [self.bos] + [self.char_to_id[ch] for ch in doc] + [self.bos]
    def decode(self, tokens: list[int]) -> str:
        return "".join(self.uchars[token_id] for token_id in tokens if token_id != self.bos)

# ==== Autograd: the chain rule through a graph of numbers =========================================
next_number = itertools.count().__next__  # each call gives the next of 0, 1, 2, ...
class Value:
    """A number that knows what it was computed from, and its derivative for each of these."""
    __slots__ = ("data", "grad", "children", "local_grads", "number")
    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0  # d(loss)/d(self), filled in by loss.backward()
        self.children = children  # what it was computed from; nothing for a leaf, such as a weight
        self.local_grads = local_grads  # d(self)/d(child) for each child
        self.number = next_number()  # nodes are numbered as they are made

    def __add__(self, other):
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0))
        return Value(self.data + other, (self,), (1.0,))

    def __mul__(self, other):
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data))
        return Value(self.data * other, (self,), (other,))

    def __pow__(self, other):  # other is a plain number; x**0 is 1 everywhere, so its slope is 0
        slope = other * math.pow(self.data, other - 1) if other else 0.0
        return Value(math.pow(self.data, other), (self,), (slope,))

    def log(self):
        if self.data == 0:  # the limits, where Python raises errors
            return Value(-math.inf, (self,), (math.inf,))
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        e = math.exp(self.data)
        return Value(e, (self,), (e,))
    def relu(self): return Value(max(self.data, 0.0), (self,), (1.0 if self.data > 0 else 0.0,))
    def __neg__(self): return self * -1.0
    def __sub__(self, other): return self + -other
    def __truediv__(self, other): return self * (1 / other)
    def __rsub__(self, other): return -self + other  # 2 - x: Python asks x when 2 does not know how
    def __rtruediv__(self, other): return self**-1 * other
    __radd__, __rmul__ = __add__, __mul__
    def __repr__(self): return f"Value(data={self.data}, grad={self.grad})"

    def backward(self):
        """Computes the grad of every node below self. In leaves it adds up, call by call."""
        self.grad = 1.0 if self.children else self.grad + 1.0  # d(self)/d(self)
        number, waiting = self.number, {self.number: self}
        while waiting:  # count down: all that was made from a node has a higher number than it
            if number in waiting:
                node = waiting.pop(number)
                grad = node.grad  # complete by now
                for child, local_grad in zip(node.children, node.local_grads):
                    if child.children and child.number not in waiting:  # its first visit
                        waiting[child.number] = child
                        child.grad = 0.0
                    child.grad += local_grad * grad  # the chain rule, added up over all paths
            number -= 1

def dot(a: list[Value], b: list[Value]) -> Value:
    """The dot product, (n,) and (n,) to (), as one node instead of 2n - 1: a shortcut for speed."""
    if len(a) != len(b):
        raise ValueError(f"dot product of {len(a)} and {len(b)} numbers")
    total = 0.0
    for x, y in zip(a, b):  # not sum(), which rounds differently from Python 3.12 on
        total += x.data * y.data
    return Value(total, a + b, [x.data for x in b + a])  # d(total)/da is b, d(total)/db is a

# ==== Parameters: what the model knows, random at first ===========================================
def init_state_dict(config: Config, vocab_size: int) -> dict:
    """The weights: matrices by name, drawn from a normal distribution around 0."""
    def matrix(nout, nin):
        return [[Value(random.gauss(0, config.init_std)) for _ in range(nin)] for _ in range(nout)]
    n_embd = config.n_embd
    state_dict = {"wte": matrix(vocab_size, n_embd)}  # token embeddings: a row each
    state_dict["wpe"] = matrix(config.block_size, n_embd)  # position embeddings: a row each
    state_dict["lm_head"] = matrix(vocab_size, n_embd)  # language model head: x to logits
    for li in range(config.n_layer):
        for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):  # query, key, value, output
            state_dict[f"layer{li}.{name}"] = matrix(n_embd, n_embd)
        state_dict[f"layer{li}.mlp_fc1"] = matrix(4 * n_embd, n_embd)  # fully connected
        state_dict[f"layer{li}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)
    return state_dict

# ==== Model: GPT-2 (Radford et al., 2019), but RMSNorm, ReLU, no biases and no final norm =========
def linear(x, w):
    """The matrix w (nout, nin) times the vector x (nin,): (nout,)."""
    return [dot(row, x) for row in w]

def softmax(logits):
    """Turns scores (n,) into probabilities (n,): between 0 and 1, adding up to 1."""
    max_val = max(logit.data for logit in logits)
    exps = [(logit - max_val).exp() for logit in logits]  # exponents of at most 0: no overflow
    inverse_sum = 1 / dot(exps, [Value(1.0)] * len(exps))  # 1 / sum(exps); the sum is one node
    return [e * inverse_sum for e in exps]

def rmsnorm(x):
    """Scales x (n,) so that the mean of its squares is 1 (Zhang and Sennrich, 2019)."""
    ms = dot(x, x) * (1 / len(x))
    s = (ms + 1e-5) ** -0.5  # 1e-5: never a division by 0
    return [xi * s for xi in x]

def mlp(x, fc1, fc2):
    """Multilayer perceptron: linear, ReLU, linear. Without ReLU the two would be one matrix."""
    hidden = [h.relu() for h in linear(x, fc1)]  # (4 * n_embd,)
    live = [i for i, h in enumerate(hidden) if h.data]  # the others are 0 and would add nothing
    return linear([hidden[i] for i in live], [[row[i] for i in live] for row in fc2])

def gpt(token_id, pos_id, keys, values, state_dict, config):
    """Reads the token at position pos_id and returns logits (vocab_size,), scores for the next one.
    Its key and its value, (n_embd,) each, go to keys[li] and values[li], for later tokens to find.
    No mask is needed, as later tokens are not there yet. Gradients flow back through both lists."""
    tok_emb = state_dict["wte"][token_id]  # (n_embd,): which token it is
    pos_emb = state_dict["wpe"][pos_id]  # (n_embd,): where it stands
    x = [t + p for t, p in zip(tok_emb, pos_emb)]  # (n_embd,), like every x below
    x = rmsnorm(x)  # not redundant: x_residual keeps this normalized x
    head_dim = config.n_embd // config.n_head
    scale = 1 / head_dim**0.5  # keeps the scores small, so that softmax does not saturate
    for li in range(config.n_layer):
        x_residual = x  # 1) attention: look back at the tokens so far
        x = rmsnorm(x)
        q = linear(x, state_dict[f"layer{li}.attn_wq"])  # query: what this token looks for
        k = linear(x, state_dict[f"layer{li}.attn_wk"])  # key: what it can be found by
        v = linear(x, state_dict[f"layer{li}.attn_wv"])  # value: what it passes on when attended to
        keys[li].append(k)
        values[li].append(v)
        x_attn = []
        for h in range(config.n_head):
            head = slice(h * head_dim, (h + 1) * head_dim)  # this head's part of each vector
            q_h = q[head]  # (head_dim,)
            k_h = [row[head] for row in keys[li]]  # (pos_id + 1, head_dim)
            v_h = [row[head] for row in values[li]]  # (pos_id + 1, head_dim)
            attn_logits = [dot(q_h, k_t) * scale for k_t in k_h]  # (pos_id + 1,)
            attn_weights = softmax(attn_logits)  # (pos_id + 1,): how much to take from each token
            x_attn += [dot(attn_weights, list(column)) for column in zip(*v_h)]  # mean of values
        x = linear(x_attn, state_dict[f"layer{li}.attn_wo"])  # mixes what the heads have found
        x = [a + b for a, b in zip(x, x_residual)]  # residual connection: a block adds to x
        x_residual = x  # 2) MLP: work on this token by itself
        x = rmsnorm(x)
        x = mlp(x, state_dict[f"layer{li}.mlp_fc1"], state_dict[f"layer{li}.mlp_fc2"])
        x = [a + b for a, b in zip(x, x_residual)]
    return linear(x, state_dict["lm_head"])

# ==== Training: a loss, and Adam, which lowers it =================================================
def document_loss(tokens: list[int], state_dict: dict, config: Config) -> Value:
    """The loss (): the mean of -log(probability of the next token), up to block_size of them."""
    keys: list = [[] for _ in range(config.n_layer)]
    values: list = [[] for _ in range(config.n_layer)]
    losses = []
    for pos_id in range(min(config.block_size, len(tokens) - 1)):
        token_id, target_id = tokens[pos_id], tokens[pos_id + 1]
        logits = gpt(token_id, pos_id, keys, values, state_dict, config)
        probs = softmax(logits)
        losses.append(-probs[target_id].log())  # 0 if prob is 1, 0.69 if it is 1/2
    return sum(losses) * (1 / len(losses))  # their mean

def train(docs: list[str], tokenizer: Tokenizer, state_dict: dict, config: Config):
    """Yields (step, loss) by Adam (Kingma and Ba, 2014). FloatingPointError: loss is inf or nan."""
    params = [p for matrix in state_dict.values() for row in matrix for p in row]
    m_buf, v_buf = [0.0] * len(params), [0.0] * len(params)  # means of gradients and their squares
    beta1, beta2, eps_adam = config.beta1, config.beta2, config.eps_adam
    new1, new2 = 1 - beta1, 1 - beta2  # weight of the newest gradient in these means
    for step in range(config.num_steps):
        loss = document_loss(tokenizer.encode(docs[step % len(docs)]), state_dict, config)
        if not math.isfinite(loss.data):
            raise FloatingPointError(f"loss is {loss.data} at step {step + 1}")
        for p in params:
            p.grad = 0.0  # backward() adds to it
        loss.backward()
        loss = loss.data  # keeps the number and frees the graph
        lr_t = config.learning_rate * (1 - step / config.num_steps)  # linear decay
        bias1, bias2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)  # undo their start from 0
        for i, p in enumerate(params):
            g = p.grad
            m_buf[i] = beta1 * m_buf[i] + new1 * g
            v_buf[i] = beta2 * v_buf[i] + new2 * (g * g)
            m_hat = m_buf[i] / bias1
            v_hat = v_buf[i] / bias2
            p.data -= lr_t * m_hat / (math.sqrt(v_hat) + eps_adam)  # against m_hat, by about lr_t
        yield step + 1, loss

# ==== Sampling: may the model babble back to us ===================================================
def sample(tokenizer: Tokenizer, state_dict: dict, config: Config) -> str:
    """A new document: the prompt, continued token by token until bos or block_size."""
    keys: list = [[] for _ in range(config.n_layer)]
    values: list = [[] for _ in range(config.n_layer)]
    tokens = tokenizer.encode(config.prompt)[:-1]  # bos and the prompt
    for pos_id in range(config.block_size):
        logits = gpt(tokens[pos_id], pos_id, keys, values, state_dict, config)
        if pos_id + 1 < len(tokens):
            continue  # the prompt has the next token
        probs = [p.data for p in softmax([logit / config.temperature for logit in logits])]
        if math.isnan(probs[0]):  # then all are, through their sum
            raise FloatingPointError(f"probabilities are nan at temperature {config.temperature}")
        token_id = random.choices(range(tokenizer.vocab_size), probs)[0]
        if token_id == tokenizer.bos:
            break
        tokens.append(token_id)
    return tokenizer.decode(tokens)

# ==== Command: python microgpt.py [input] [--setting value ...] ===================================
def run(docs: list[str], config: Config) -> None:
    """Trains on docs, draws samples, and prints what microgpt.js prints."""
    random.seed(config.seed)  # the same seed, the same run
    docs = list(docs)  # a copy to shuffle
    random.shuffle(docs)
    tokenizer = Tokenizer(docs)
    state_dict = init_state_dict(config, tokenizer.vocab_size)
    num_params = sum(len(row) for matrix in state_dict.values() for row in matrix)
    print(f"num docs: {len(docs)}\nvocab size: {tokenizer.vocab_size}\nnum params: {num_params}")
    for step, loss in train(docs, tokenizer, state_dict, config):
        print(f"step {step:4d} / {config.num_steps:4d} | loss {loss:.4f}", end="\r", flush=True)
    print("\n--- inference (new, hallucinated names) ---")
    for i in range(config.num_samples):
        print(f"sample {i + 1:2d}: {sample(tokenizer, state_dict, config)}", flush=True)

def main(argv=None):
    """The command line; argv is sys.argv[1:] by default. Raises SystemExit for a user's error."""
    parser = argparse.ArgumentParser("microgpt", "%(prog)s [-h] [input] [--setting X ...]")
    parser.add_argument("input", nargs="?", default="input.txt", help="text, one document a line")
    for f in fields(Config):
        parser.add_argument("--" + f.name.replace("_", "-"), type=type(f.default), metavar="X",
                            default=f.default, help=f"{f.metadata['about']} (default: {f.default})")
    settings = vars(parser.parse_args(argv))
    try:
        docs = load_docs(settings.pop("input"))
        config = Config(**settings)
        if unknown := set(config.prompt).difference(*docs):
            raise ValueError(f"prompt has {min(unknown)!r}, a character that is in no document")
    except (OSError, UnicodeError) as error:
        parser.error(f"cannot read the input: {error}; name a text file: microgpt names.txt")
    except ValueError as error:
        parser.error(str(error))
    try:
        run(docs, config)
    except FloatingPointError as error:
        parser.exit(1, f"microgpt: error: {error}; try a lower learning_rate or init_std\n")

def cli():
    """The command as a process of its own: main() with signals, stdout and memory set up for it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends this and a shell's loop around it
    if hasattr(signal, "SIGPIPE"):  # `| head` ends this without a word (Windows has no SIGPIPE)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if sys.implementation.name == "cpython":
        gc.disable()  # graphs have no cycles, so they are freed without it
    main()

if __name__ == "__main__":
    cli()

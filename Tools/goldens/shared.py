"""What the golden makers share: folders, seeded weights, compact JSON."""

import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy  # noqa: E402  (the thread count must be set first)
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "Tests/ApusModelsTests/Fixtures/models"
MODEL_FIXTURES = ROOT / "Tests/ApusModelsTests/Fixtures"
TRAINING_FIXTURES = ROOT / "Tests/ApusTrainTests/Fixtures"

torch.set_num_threads(1)
# In fp32 no library may fall back to fewer bits.
torch.set_float32_matmul_precision("highest")
torch.use_deterministic_algorithms(True)


def randomize(model, seed):
    """Weights far from their usual initial values, so that nothing can be forgotten unnoticed.

    With the usual 0.02 every logit is near zero, norms are ones and biases zeros: a reader that
    ignored them would pass.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(0.1 * noise)
            elif "embed" in name or "wte" in name or "wpe" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise / parameter.shape[-1] ** 0.5)


PROJECTIONS = 16


def signs(count):
    """Ones and minus ones [PROJECTIONS, count]: bit k of SplitMix64's finalizer of the place."""
    with numpy.errstate(over="ignore"):
        z = numpy.arange(1, count + 1, dtype=numpy.uint64)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    bits = (z >> numpy.arange(PROJECTIONS, dtype=numpy.uint64)[:, None]) & numpy.uint64(1)
    return torch.from_numpy(bits.astype(numpy.float64) * 2 - 1)


def summary(gradient):
    """The norm of a gradient and its sums with random signs.

    They speak for every element: where an element of two vectors differs by d, at most one of its
    two signs leaves the sums of both vectors nearer than d. So vectors of which one element differs
    by d agree to d in all sums with a chance of 2^-16 at most.
    """
    flat = gradient.detach().double().flatten()
    return [rounded(flat.norm())] + [rounded(x, 9) for x in signs(flat.numel()) @ flat]


def rounded(value, digits=8):
    """A float with `digits` significant digits: enough for fp32, and short in JSON."""
    number = value.item() if isinstance(value, torch.Tensor) else float(value)
    return float(f"{number:.{digits}g}")


def _lines(value, indent):
    """JSON where leaves and lists of numbers stay on one line, so that diffs can be read."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        items = [f'{pad}  {json.dumps(k)}: {_lines(v, indent + 1)}' for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{pad}}}"
    if isinstance(value, list) and any(isinstance(v, dict) for v in value):
        items = [f"{pad}  {json.dumps(v, ensure_ascii=False)}" for v in value]
        return "[\n" + ",\n".join(items) + f"\n{pad}]"
    return json.dumps(value, ensure_ascii=False)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines(value, 0) + "\n", encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")

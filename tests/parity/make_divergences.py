"""Makes tests/golden/distill/divergences.json: divergences and their gradients in PyTorch, in float64.

Run from the repository's root: python tests/parity/make_divergences.py
"""

import json
import pathlib

import torch
from torch.nn.functional import kl_div, log_softmax

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
ROWS, D_STUDENT, D_TEACHER, VOCAB = 5, 4, 6, 37
TEMPERATURES = [0.5, 1.0, 2.5, 20.0]


def forward_kl(student, teacher):
    """KL(teacher || student) of log-probabilities: PyTorch's first argument is the approximation."""
    return kl_div(student, teacher, reduction="batchmean", log_target=True)


def reverse_kl(student, teacher):
    """KL(student || teacher)."""
    return kl_div(teacher, student, reduction="batchmean", log_target=True)


def case(name, divergence, temperature, inputs):
    hidden, head = (inputs[key].double().requires_grad_() for key in ("student_hidden", "student_head"))
    teacher = inputs["teacher_hidden"].double() @ inputs["teacher_head"].double()
    logs = (log_softmax(logits / temperature, dim=-1) for logits in (hidden @ head, teacher))
    loss = temperature**2 * divergence(*logs)
    loss.backward()
    return {
        "name": name,
        "temperature": temperature,
        "loss": loss.item(),
        "grad_hidden": hidden.grad.flatten().tolist(),
        "grad_head": head.grad.flatten().tolist(),
    }


if __name__ == "__main__":
    generator = torch.Generator().manual_seed(5)
    shapes = {
        "student_hidden": (ROWS, D_STUDENT),
        "student_head": (D_STUDENT, VOCAB),
        "teacher_hidden": (ROWS, D_TEACHER),
        "teacher_head": (D_TEACHER, VOCAB),
    }
    inputs = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    divergences = {"forward-kl": forward_kl, "reverse-kl": reverse_kl}
    cases = [case(n, d, t, inputs) for n, d in divergences.items() for t in TEMPERATURES]
    found = {"torch": torch.__version__, "inputs": {k: x.tolist() for k, x in inputs.items()}, "cases": cases}
    out = GOLDEN / "distill"
    out.mkdir(exist_ok=True)
    (out / "divergences.json").write_text(json.dumps(found) + "\n")

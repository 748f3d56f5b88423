"""
The one function that R calls.

An exception that leaves a function called from R is lost: R gets NULL and goes on. So
nothing leaves :func:`dispatch`; whatever happens becomes a list that R turns into a
value, an error with a class, or warnings with classes.
"""

from __future__ import annotations

from collections.abc import Callable
import traceback
from typing import Any

from statsmodels_synth.exceptions import SynthError, SynthWarning
from statsmodels_synth.r.analyses import (
    agreement,
    anderson_rubin,
    compare,
    diagnostics,
    plan,
    plan_cheapest,
    plan_designs,
    plan_expect,
    plan_labels_needed,
    score_intervals,
)
from statsmodels_synth.r.augmented import augmented_gmm
from statsmodels_synth.r.coders import collapse_coders
from statsmodels_synth.r.convert import from_r, to_r
from statsmodels_synth.r.drawing import draw_labels
from statsmodels_synth.r.estimators import estimator
from statsmodels_synth.r.frames import align, unit_ids
from statsmodels_synth.r.interrupts import interrupts_raise
from statsmodels_synth.r.many import many_fits
from statsmodels_synth.r.recording import Said, recorded
from statsmodels_synth.r.tasks import (
    task_coverage_gap,
    task_exchangeability,
    task_interval,
    task_order,
    task_split,
    task_trend,
)

#: What R can ask for.
HANDLERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "align_frames": align,
    "unit_ids": unit_ids,
    "augmented_gmm": augmented_gmm,
    "compare": compare,
    "diagnostics": diagnostics,
    "plan": plan,
    "plan_expect": plan_expect,
    "plan_designs": plan_designs,
    "plan_labels_needed": plan_labels_needed,
    "plan_cheapest": plan_cheapest,
    "agreement": agreement,
    "score_confint": score_intervals,
    "anderson_rubin": anderson_rubin,
    "draw_labels": draw_labels,
    "estimator": estimator,
    "many_fits": many_fits,
    "collapse_coders": collapse_coders,
    "task_exchangeability": task_exchangeability,
    "task_interval": task_interval,
    "task_order": task_order,
    "task_trend": task_trend,
    "task_split": task_split,
    "task_coverage_gap": task_coverage_gap,
}
#: Class of an interrupted call, which R interrupts in turn.
INTERRUPT = "interrupt"


def dispatch(name: Any, arguments: Any) -> Any:
    """Carry out what R asks for; never raises."""
    # What is returned must hold even if an interrupt comes where no handler runs.
    reply: dict[str, Any] = _failure(KeyboardInterrupt())
    said = Said()
    try:
        with interrupts_raise(), recorded(said):
            reply = {"ok": True, "value": HANDLERS[name[0]](from_r(arguments))}
    except BaseException as error:
        reply = _failure(error)
    reply["warnings"] = [
        {"class": _classes(w.category, SynthWarning), "message": str(w.message)}
        for w in said.warnings
    ]
    reply["output"] = said.output.getvalue()
    try:
        return to_r(reply)
    except BaseException as error:
        return to_r(_failure(error) | {"warnings": [], "output": ""})


def _failure(error: BaseException) -> dict[str, Any]:
    """What R needs to know of an exception."""
    if isinstance(error, KeyboardInterrupt):
        return {"ok": False, "class": [INTERRUPT], "message": "", "traceback": ""}
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, SynthError):
        classes, message = _classes(type(error), SynthError), str(error)
    elif isinstance(error, MemoryError):
        classes, message = ["PythonError"], f"Python is out of memory. {error}".strip()
    else:
        classes, message = ["PythonError"], f"{type(error).__name__}: {error}"
    return {"ok": False, "class": classes, "message": message, "traceback": trace}


def _classes(kind: type, root: type) -> list[str]:
    """Names of a class and of its parents down to ours, or its own alone."""
    own = [c.__name__ for c in kind.__mro__ if issubclass(c, root)]
    return list(dict.fromkeys(own)) or [kind.__name__]

"""matplotlib, imported when a figure is drawn and not before, and its colours."""

from __future__ import annotations

from typing import Any

from statsmodels_synth.core.messages import install

#: Colours that people with colour blindness tell apart (Okabe and Ito 2008).
BLACK, BLUE, GREEN, RED = "#000000", "#0072B2", "#009E73", "#D55E00"
ORANGE, PINK, SKY = "#E69F00", "#CC79A7", "#56B4E9"


def pyplot() -> Any:
    """
    Import ``matplotlib.pyplot``.

    Examples
    --------
    >>> pyplot().__name__
    'matplotlib.pyplot'
    """
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(f"Figures need matplotlib: {install('plot')}") from error
    return plt

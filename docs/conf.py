"""Sphinx configuration. Nothing here needs a network."""

from __future__ import annotations

import atexit
from datetime import datetime, timezone
import os
from pathlib import Path
import shutil
import sys
import tempfile

ROOT = Path(__file__).resolve().parents[1]
# The kernels that execute the pages are other processes: tell them too.
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "docs"))
os.environ["PYTHONPATH"] = os.pathsep.join(
    part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part
)
# Many small problems are solved: threads only get in their way.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# A profile of our own, so that nobody's IPython settings get into the pages.
IPYTHON = Path(tempfile.mkdtemp(prefix="ipython-"))
atexit.register(shutil.rmtree, IPYTHON, ignore_errors=True)
os.environ["IPYTHONDIR"] = str(IPYTHON)
(IPYTHON / "profile_default").mkdir()
(IPYTHON / "profile_default" / "ipython_kernel_config.py").write_text(
    """\
c.IPKernelApp.log_level = 40
c.HistoryManager.enabled = False
c.InlineBackend.rc = {"figure.dpi": 120}
"""
)

from neighbours import write_inventories  # noqa: E402

import statsmodels_synth  # noqa: E402

project = "statsmodels_synth"
author = "statsmodels_synth developers"
project_copyright = f"{datetime.now(tz=timezone.utc).year}, {author}"
version = release = statsmodels_synth.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # formulas are drawn without a network
    "sphinx_design",
    "numpydoc",
    "myst_nb",
    "equations",  # docs/equations.py
    "r_pages",  # docs/r_pages.py
]
root_doc = "index"
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]

# Pages that start with a kernel in their header are executed at every build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300  # a busy machine
nb_execution_show_tb = True
nb_merge_streams = True
# Whatever a cell prints to stderr is a mistake, and fails a build with -W.
nb_output_stderr = "warn"
myst_enable_extensions = [
    "amsmath",
    "colon_fence",
    "deflist",
    "dollarmath",
    "substitution",
]
myst_substitutions = {"version": version}
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give types and shapes
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# Types of parameters are links: to pages of ours, or of others.
intersphinx_mapping = write_inventories(ROOT / "docs" / "_build" / "inventories")
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    **{name: f"pandas.{name}" for name in ("DataFrame", "Series", "Index")},
    **{name: f":term:`python:{name}`" for name in ("sequence", "mapping", "callable")},
    **{name: f":term:`python:{name}`" for name in ("hashable", "iterable")},
    "path-like": ":term:`python:path-like`",
    "Path": "pathlib.Path",
    "Table": ":doc:`Table </how-to/match-units>`",
    **{name: f"statsmodels_synth.scores.{name}" for name in ("Score", "TargetScore")},
    "JTest": "statsmodels_synth.gmm.jtest.JTest",
    "ndarray": "numpy.ndarray",
    "statsmodels.genmod.families.Family": "statsmodels.genmod.families.family.Family",
    **{name: f"statsmodels_synth.{name}" for name in statsmodels_synth.__all__},
    "AugmentedGMMResultsWrapper": "statsmodels_synth.AugmentedGMMResults",
    "EstimatorResultsWrapper": "statsmodels_synth.estimators.EstimatorResults",
}
#: Words of a type that are no types: sizes of arrays, and words between.
_WORDS = """
a as auto by code coder cue default drop finite from gaussian human in is its json logit
majority mean median no none of optional or pair proxy raise results rows scalar schema
task text that them to type with C D J K M P R T k m n p
"""
numpydoc_xref_ignore = set(_WORDS.split())

mathjax_path = "mathjax/tex-chtml.js"
math_number_all = False
numfig = False

html_theme = "pydata_sphinx_theme"
html_title = "statsmodels_synth"
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": []}
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False

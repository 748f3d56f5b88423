"""
The bridge to R: its Python half, and the commands that set it up.

``python -m statsmodels_synth.r install`` installs the R package
``statsmodelssynth``, whose source comes with this one. In R, its functions
start this Python by reticulate, and rpy2 attaches to the running R.
"""

"""Planning from a pilot: how many labels, which sources, at what price."""

from statsmodels_synth.planning.plan import Plan, make_plan

__all__ = ["Plan", "make_plan"]

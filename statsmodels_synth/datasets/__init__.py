"""Data that come with the package, for its pages and for first steps."""

from statsmodels_synth.datasets.posts import load_posts

__all__ = ["load_posts"]

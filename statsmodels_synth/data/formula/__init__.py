"""A formula: read once, learned once, applied to every frame."""

"""What is to be estimated: aligned arrays, scores, clusters; no frames."""

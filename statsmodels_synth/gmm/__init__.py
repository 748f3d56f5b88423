"""The estimator: sums over sources, weights, solution, covariance, tests."""

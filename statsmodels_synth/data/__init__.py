"""From whatever people hold to aligned arrays."""

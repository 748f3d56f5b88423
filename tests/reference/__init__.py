"""The equations once more, plainly: what the package is tested against."""

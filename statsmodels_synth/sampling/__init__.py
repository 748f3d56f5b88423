"""Which units to label next: probabilities, and draws that have them."""

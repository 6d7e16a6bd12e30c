"""The text-prompted segmentor: backends, network, training, metrics."""

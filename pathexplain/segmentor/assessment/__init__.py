"""Figures of a segmentor on annotated images: one module a question, joined by `evaluation`."""

"""Pixels: slides, tissue and the tile grid."""

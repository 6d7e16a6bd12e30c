"""PathSeg sources, as one format."""

"""The command that writes a segmentor for other programs.

Heavy imports stay inside the function, so that `--help` needs none of them.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations

from pathexplain.cli.output import note, say

__all__ = ["export"]


def export(segmentor: str = "compact", /, *, out: Path) -> None:
    """Write a segmentor as ONNX: a graph for images, one for text, and the tokenizer.

    Parameters
    ----------
    segmentor
        "compact", "compact-open" or a checkpoint folder.
    out
        File of the image graph, NAME.onnx; the others go beside it.
    """
    from pathexplain.segmentor.onnx_export import export_onnx

    note("tracing the network; this takes about a minute")
    for path in export_onnx(segmentor, out):
        say(path)

"""The command line: parse, call, print. No logic lives here."""

from __future__ import annotations

from pathexplain.cli.app import main

__all__ = ["main"]

"""Morphometry: what can be measured on masks, object by object, then by slide and by patient.

`registry` lists the families, `measure` runs them, `aggregate` summarizes, `dictionary` documents.
Import from the modules: importing this package alone loads nothing heavy.
"""

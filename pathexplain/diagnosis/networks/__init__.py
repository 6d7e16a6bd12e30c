"""Where networks are explained or trained for explaining; the only part of `diagnosis` with torch.

Importing this package loads no torch; its modules do.
"""

"""Import path of earlier checkouts, for scripts written then; the name lives in `crossloom.rtl.compiler.sizes`."""

from .compiler.sizes import Folding

__all__ = ["Folding"]

"""Import path of earlier checkouts, for scripts written then; the name lives in `crossloom.rtl.compiler.program`."""

from .compiler.program import compile_network as plan

__all__ = ["plan"]

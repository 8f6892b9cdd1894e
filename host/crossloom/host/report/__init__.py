"""The page that `crossloom report` writes: one self-contained HTML file about one design."""

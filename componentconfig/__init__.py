"""Kubernetes-style component configs as frozen values: declared once, read strictly, printed with comments.

Standard library only and pure: callers read files and parse YAML, this package is given the mapping and gives back a value or every
problem at once, each with the full key at fault. Contract section 9.
"""

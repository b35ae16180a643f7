"""Kubernetes-style component configs as frozen values: declared once, read strictly, printed with comments.

Pure and of the standard library only, but for ``file``, the door to YAML files: what it reads is given to ``reading``, which gives back a
value or every problem at once, each with the full key at fault. Contract section 9.
"""

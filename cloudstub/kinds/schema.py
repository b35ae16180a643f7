"""Structural schemas of apiextensions/v1: check the schema, then prune, default and validate objects with it. Pure functions over dicts."""

from __future__ import annotations

from cloudstub.kinds.schema_shape import default, prune
from cloudstub.kinds.schema_structural import structural_errors
from cloudstub.kinds.schema_validate import validate

__all__ = ["default", "prune", "structural_errors", "validate"]

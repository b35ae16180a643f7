"""PATCH: change a part of an object. Four ways to say what changes; then it is an update like any other."""

from __future__ import annotations

from typing import Any

from cloudstub.errors import UnsupportedMediaType
from cloudstub.patches import json_patch, merge_patch, strategic
from cloudstub.store.records import Object
from cloudstub.verbs import scale
from cloudstub.verbs.create import create
from cloudstub.verbs.update import existing, finalize, update, update_status
from cloudstub.verbs.world import PLAIN, Target, World, WriteOptions, Written

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
ACCEPTED = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


def patch(world: World, target: Target, subresource: str, media_type: str, sent: Any, options: WriteOptions = PLAIN) -> Written:
    """Stage the object as the patch leaves it."""
    if media_type == APPLY and not subresource and world.store.peek(target.key) is None:
        return create(world, target, sent, options)
    if subresource == "scale":
        return scale.write(world, target, changed(target, scale.read(world, target), media_type, sent), options)
    old = existing(world, target).fresh()
    old["apiVersion"] = target.api_version
    value = changed(target, old, media_type, sent)
    if subresource == "status":
        return update_status(world, target, value, options)
    if subresource == "finalize":
        return finalize(world, target, value, options)
    return update(world, target, value, options)


def changed(target: Target, old: Object, media_type: str, sent: Any) -> Object:
    """The object that the patch makes of ``old``.

    Raises:
        UnsupportedMediaType: no such kind of patch here.
        BadRequest, Invalid: it is not a patch, or does not fit the object.
    """
    if media_type == JSON_PATCH:
        result: Object = json_patch.apply(old, sent)
        return result
    if media_type == MERGE_PATCH:
        return merge_patch.apply(old, sent)
    if media_type == STRATEGIC and not target.kind.custom:
        return strategic.apply(old, sent, target.kind.kind)
    if media_type == APPLY:
        # What is applied is merged in: fields that an earlier apply set and this one leaves out stay.
        return merge_patch.apply(old, sent) if target.kind.custom else strategic.apply(old, sent, target.kind.kind)
    supported = [kind for kind in ACCEPTED if kind != STRATEGIC or not target.kind.custom]
    raise UnsupportedMediaType(f"the body of the request was in an unknown format - accepted media types include: {', '.join(supported)}")

"""Who serves for this API (a kubelet, an extension) learns here whose client certificates this server bears itself."""

from __future__ import annotations

from cloudstub.store.records import Key
from cloudstub.verbs.create import create
from cloudstub.verbs.update import update
from cloudstub.verbs.world import Target, World

NAMESPACE, NAME, KEY = "kube-system", "extension-apiserver-authentication", "client-ca-file"


async def publish_client_ca(world: World, pem: str) -> None:
    """Keep the ConfigMap as Kubernetes' API servers keep it."""
    kind = world.catalog.by_resource("configmaps")
    assert kind is not None
    target = Target(kind, kind.storage, NAMESPACE, NAME)
    wanted = {"metadata": {"name": NAME, "namespace": NAMESPACE}, "data": {KEY: pem}}
    found = world.store.get(Key("configmaps", NAMESPACE, NAME))
    if found is None:
        create(world, Target(kind, kind.storage, NAMESPACE), wanted)
    elif (found.value.get("data") or {}).get(KEY) != pem:
        update(world, target, {**found.fresh(), "data": {**(found.value.get("data") or {}), KEY: pem}})
    await world.store.committed()

"""EdgeController: pods and the configuration that they name down, statuses up (contract 4).

    EdgeController(kube, pods=…, nodes=…, configmaps=…, secrets=…, downlink=hub, now=utc_clock, noticed=sync.notice)

``pods`` … ``secrets`` are informers (``cloudcore.cluster.Informer``). ``await start()`` waits until their caches are filled; let no node
connect before it returns, because a node is told to drop what nobody owes it. ``await stop()`` ends the lease task. An ``Uplink``, and
``may_read(node, resource)`` is what CloudHub's admission asks.
"""

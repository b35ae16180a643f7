"""DeviceController: devices down, reported values up, the profile ConfigMap for mappers (contract 5).

    DeviceController(kube, devices=…, models=…, configmaps=…, downlink=hub, now=utc_clock, noticed=sync.notice)

``devices``, ``models``, ``configmaps`` are informers (``cloudcore.cluster.Informer``) which keep whole objects. ``await start()`` waits
until their caches are filled; ``await stop()`` ends the writers. An ``Uplink``: CloudHub gives it what has the source ``twin``.
"""

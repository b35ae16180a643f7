"""SyncController: finds and repairs what the edge missed, and keeps ObjectSync (contract 3.6, 3.7).

    record = SyncRecord(kube, objectsyncs=…, clusterobjectsyncs=…, now=utc_clock)            # a DeliveryRecord, for CloudHub
    sync = SyncController(record, nodes=…, downlink=hub)          # sync.notice(node): something was offered to that node
    sync.watch([edge_controller, device_controller]); await sync.start()                # start() starts the record too

CloudHub calls ``sync.node_changed(node, connected)`` as it does for the controllers.
"""

"""The closed sets of words on the wire (contract sections 1.3 to 1.6). Plain ``str`` constants, so they compare with what arrives."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """What is asked of a resource. HTTP methods (ServiceBus) are operations too, but not members: they are data."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    QUERY = "query"
    RESPONSE = "response"
    ERROR = "error"
    GET = "get"
    GET_RESULT = "get_result"
    KEEPALIVE = "keepalive"
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    MESSAGE = "message"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    UPDATED = "updated"
    UPLOAD = "upload"
    """Of an MQTT payload (P5.9). KubeEdge 1.2 says ``response`` and its cloud swallows it as an acknowledgement; 1.6 and later say this."""
    INVENTORY = "inventory"
    """Ledger mode only: the edge states what it holds (P3)."""
    CONNECT = "connect"
    """Ledger mode only: the edge is to dial its stream connection (P7.7)."""
    START = "start"
    """Applications on the node may ask the URL that is the resource (KubeEdge 1.23; P5.14)."""
    STOP = "stop"
    """They may no longer."""


FORBIDDEN_OPERATIONS = frozenset({"config", "ping", "pong"})
"""KubeEdge's transport eats these (contract 2.1); we neither send nor accept them."""


class Group(StrEnum):
    """Routing groups on the wire and inside the edge (contract 1.4, 1.5)."""

    RESOURCE = "resource"
    FUNC = "func"
    TWIN = "twin"
    USER = "user"
    HUB = "hub"
    META = "meta"
    EDGED = "edged"
    BUS = "bus"
    STREAM = "stream"
    LOCAL = "local"
    """On the board only, as the groups of its other modules."""
    RULES = "rules"
    """On the board only."""
    UPGRADE = "upgrade"
    """On the board only."""


class Source(StrEnum):
    """Who speaks."""

    EDGECONTROLLER = "edgecontroller"
    DEVICECONTROLLER = "devicecontroller"
    SYNCCONTROLLER = "synccontroller"
    CLOUDHUB = "cloudhub"
    CLOUDSTREAM = "cloudstream"
    EDGEHUB = "edgehub"
    WEBSOCKET = "websocket"
    METAMANAGER = "metaManager"
    EDGED = "edged"
    TWIN = "twin"
    RULES = "rules"
    UPGRADE = "upgrade"
    UPGRADECONTROLLER = "upgradecontroller"
    EVENTBUS = "eventbus"
    BUS = "bus"
    SERVICEBUS = "servicebus"
    EDGEMGR = "edgemgr"
    ROUTER_REST = "router_rest"
    ROUTER_EVENTBUS = "router_eventbus"
    ROUTER_SERVICEBUS = "router_servicebus"


class ModuleName(StrEnum):
    """Names of the modules of the edge process (contract 1.4)."""

    EDGEHUB = "websocket"
    METAMANAGER = "metaManager"
    EDGED = "edged"
    DEVICETWIN = "twin"
    EVENTBUS = "eventbus"
    SERVICEBUS = "servicebus"
    LOCALAPI = "localapi"
    EDGESTREAM = "edgestream"
    RULES = "rules"
    UPGRADE = "upgrade"


class ResourceType(StrEnum):
    """Types in resource strings, always lower case and singular (contract 1.6)."""

    POD = "pod"
    CONFIGMAP = "configmap"
    SECRET = "secret"
    NODE = "node"
    PODLIST = "podlist"
    PODSTATUS = "podstatus"
    NODESTATUS = "nodestatus"
    SERVICE = "service"
    SERVICELIST = "servicelist"
    ENDPOINTS = "endpoints"
    ENDPOINTSLIST = "endpointslist"
    PERSISTENTVOLUME = "persistentvolume"
    PERSISTENTVOLUMECLAIM = "persistentvolumeclaim"
    VOLUMEATTACHMENT = "volumeattachment"
    VOLUME = "volume"
    EVENT = "event"
    SERVICEACCOUNTTOKEN = "serviceaccounttoken"
    """Of KubeEdge 1.8 and later; named after the service account (P5.11)."""
    DEVICERULE = "devicerule"
    DEVICERULESTATUS = "devicerulestatus"
    NODEUPGRADEJOB = "nodeupgradejob"
    NODEUPGRADEJOBSTATUS = "nodeupgradejobstatus"


OURS = frozenset({ResourceType.SERVICE, ResourceType.ENDPOINTS, ResourceType.DEVICERULE, ResourceType.NODEUPGRADEJOB})
"""What goes down in ledger mode only: KubeEdge's boards do not know it, or not as single objects (P5.10, P8.3, P9.2)."""

SERVED = frozenset({ResourceType.SERVICE, ResourceType.ENDPOINTS})
"""What names on the board are made of (P5.10)."""

STREAM_RESOURCE = "stream"
"""Of a ``connect`` (P7.7)."""

DELIVERED = "OK"
"""Content of an acknowledgement (contract 3.5)."""

WIRE_GROUP_TO_EDGE_GROUP = {
    Group.RESOURCE: Group.META,
    Group.FUNC: Group.META,
    Group.TWIN: Group.TWIN,
    Group.USER: Group.BUS,
    Group.STREAM: Group.STREAM,
}
"""Which edge group receives a wire group (contract 1.5); anything else is refused."""

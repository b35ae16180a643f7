"""EdgeCore's component config (contract 9.3) and the reading of its file.

Where KubeEdge's defaults name Docker, Bramble's stand for Podman; KubeEdge's own database file is never opened, it has another form.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import componentconfig.errors
from componentconfig import checks
from componentconfig.file import load
from componentconfig.reading import read
from componentconfig.setting import section, setting
from edgecore.errors import ConfigError

DEFAULT_FILE = "/etc/kubeedge/config/edgecore.yaml"

_KUBEEDGE_DATABASE = "/var/lib/kubeedge/edgecore.db"
_OTHER_SOCKETS = (
    ("*dockershim.sock", ""),
    ("*docker.sock", ""),
    ("*cri-dockerd.sock", ""),
    ("*containerd.sock", ""),
    ("*crio.sock", ""),
)


@dataclass(frozen=True, slots=True)
class Outbox:
    max_age: int = setting(
        30,
        "Days of running after which an event or upload that still waits is dropped and counted.",
        expected="days",
        minimum=1,
        maximum=3650,
    )
    max_size: int = setting(
        64,
        "Megabytes of events and uploads that may wait. Of more the oldest are dropped and counted, uploads first. States are always kept.",
        expected="megabytes",
        minimum=8,
        maximum=1_000_000,
    )


@dataclass(frozen=True, slots=True)
class History:
    commit_interval: int = setting(
        300,
        "Seconds between two writes of samples, at least. What was not written yet is lost with the power.",
        expected="seconds",
        minimum=1,
        maximum=3600,
    )
    enable: bool = setting(True, "Keep samples of the properties that are marked for collection, and send them to the cloud.")
    flash_budget: int = setting(
        10,
        "Megabytes that writing samples may cost the flash a day. What is more than that allows is thinned out and counted.",
        expected="megabytes",
        minimum=1,
        maximum=100_000,
    )
    max_age: int = setting(30, "Days of running after which samples are dropped.", expected="days", minimum=1, maximum=3650)
    max_size: int = setting(
        64,
        "Megabytes of samples that are kept. Of more the oldest are dropped; those that the cloud has not got are counted.",
        expected="megabytes",
        minimum=1,
        maximum=1_000_000,
    )


@dataclass(frozen=True, slots=True)
class Database:
    IGNORED: ClassVar[tuple[str, ...]] = ("driverName", "aliasName")

    data_source: str = setting(
        "/var/lib/bramble/edgecore.db",
        "The SQLite file that holds everything which survives a reboot.",
        minimal=True,
        check=checks.absolute_path,
        foreign=((_KUBEEDGE_DATABASE, "/var/lib/bramble/edgecore.db"),),
    )
    history: History = section(History, "Samples of device properties.")
    outbox: Outbox = section(Outbox, "What waits for the cloud while it is away.")


@dataclass(frozen=True, slots=True)
class Edged:
    IGNORED: ClassVar[tuple[str, ...]] = (
        *("cgroupDriver", "cgroupRoot", "cgroupsPerQOS", "cniBinDir", "cniCacheDirs", "cniConfDir", "concurrentConsumers"),
        *("devicePluginEnabled", "edgedMemoryCapacity", "enableMetrics", "gpuPluginEnabled"),
        *("interfaceName", "maximumDeadContainersPerPod", "networkPluginMTU", "networkPluginName"),
        *("podSandboxImage", "registerNodeNamespace", "volumeStatsAggPeriod"),
    )
    DOCKER: ClassVar[tuple[str, ...]] = ("dockerAddress", "remoteImageEndpoint")

    enable: bool = setting(True, "Run pods on this node.")
    cluster_dns: str = setting(
        "",
        "Address of the DNS server that pods ask. Empty: EdgeCore's own, or with edgemesh off that of the node.",
        key="clusterDNS",
        minimal=True,
        check=checks.optional_address,
    )
    cluster_domain: str = setting("", "Domain of the cluster. Empty: cluster.local, or with edgemesh off none.", minimal=True)
    devices: tuple[str, ...] = setting(
        (),
        "Devices that containers may ask for by the name of a resource, each NAME=PATH[,PATH...], e.g. bramble.io/ttyUSB0=/dev/ttyUSB0.",
        check=checks.devices,
    )
    hostname_override: str = setting("", "Name of this node. Empty: the host name.", minimal=True, check=checks.optional_node_name)
    image_gc_high_threshold: int = setting(
        80,
        "Percent of the disk in use from which images are removed that no pod needs.",
        key="imageGCHighThreshold",
        expected="percent",
        minimum=1,
        maximum=100,
    )
    image_gc_low_threshold: int = setting(
        40, "Percent of the disk in use at which that ends.", key="imageGCLowThreshold", expected="percent", minimum=0, maximum=100
    )
    image_pull_progress_deadline: int = setting(
        60, "Seconds without progress after which the pull of an image is given up.", expected="seconds", minimum=1, maximum=86_400
    )
    node_ip: str = setting(
        "", "Address that the node reports. Empty: that of the default route.", key="nodeIP", minimal=True, check=checks.optional_address
    )
    node_status_update_frequency: int = setting(
        10,
        "Seconds between two looks at the node's condition. It is sent when it changed; to a KubeEdge cloud every time.",
        expected="seconds",
        minimum=1,
        maximum=3600,
    )
    register_node: bool = setting(True, "Create the Node object in the cloud where it is missing.")
    remote_runtime_endpoint: str = setting(
        "",
        "Podman's API socket, e.g. unix:///run/podman/podman.sock. Empty: that socket where it answers, else a Podman service of our own.",
        minimal=True,
        check=checks.optional_unix_socket,
        foreign=_OTHER_SOCKETS,
    )
    root_directory: str = setting(
        "/var/lib/bramble/edged", "Where volumes of pods and the logs of containers are kept.", check=checks.absolute_path
    )
    static_pod_path: str = setting(
        "/etc/bramble/manifests",
        "Folder of pods (YAML or JSON files) that run on this node without any cloud. It may be missing.",
        check=checks.absolute_path,
    )
    runtime_request_timeout: int = setting(
        2, "Minutes after which a request to the container engine is given up.", expected="minutes", minimum=1, maximum=60
    )
    runtime_type: str = setting(
        "podman",
        "The container engine.",
        choices=("podman",),
        minimal=True,
        foreign=(("docker", "podman"), ("remote", "podman")),
    )

    def problems(self) -> list[tuple[str, str]]:
        if self.image_gc_low_threshold >= self.image_gc_high_threshold:
            return [("imageGCLowThreshold", f"expected less than imageGCHighThreshold ({self.image_gc_high_threshold})")]
        return []


@dataclass(frozen=True, slots=True)
class WebSocket:
    enable: bool = setting(True, "Must be true: the websocket is the only kind of link.")
    handshake_timeout: int = setting(30, "Seconds for connecting, TLS and the upgrade.", expected="seconds", minimum=1, maximum=600)
    read_deadline: int = setting(
        15,
        "Seconds for which nothing may come in the middle of a message before the link is given up.",
        expected="seconds",
        minimum=1,
        maximum=600,
    )
    server: str = setting("127.0.0.1:10000", "HOST:PORT of CloudHub.", minimal=True, check=checks.host_port)
    write_deadline: int = setting(15, "Seconds that the sending of one message may take.", expected="seconds", minimum=1, maximum=600)


@dataclass(frozen=True, slots=True)
class EdgeHub:
    IGNORED: ClassVar[tuple[str, ...]] = ("quic", "messageQPS", "messageBurst")

    enable: bool = setting(True, "Keep a link to the cloud. Without it the node runs what it already knows.")
    heartbeat: int = setting(
        15, "Seconds between two keepalives towards a KubeEdge cloud.", expected="seconds", minimum=1, maximum=3600, minimal=True
    )
    http_server: str = setting(
        "",
        "Where CloudCore signs certificates, e.g. https://192.0.2.1:10002. Empty: port 10002 at the host of websocket.server.",
        check=checks.optional_https_url,
    )
    ping_interval: int = setting(
        180,
        "Seconds between two pings of an idle link to a Bramble cloud; half a minute after one is missing it takes the node for gone."
        " At 180 an idle link costs less than 5 MB a month.",
        expected="seconds",
        minimum=1,
        maximum=3600,
    )
    project_id: str = setting("e632aba927ea4ac2b575ec1603d56f10", "Project in the path of the link; KubeEdge's default.", key="projectID")
    rotate_certificates: bool = setting(True, "Renew the node's certificate when most of its life is over.")
    tls_ca_file: str = setting(
        "/etc/kubeedge/ca/rootCA.crt",
        "The CA that the cloud must prove itself by.",
        key="tlsCaFile",
        minimal=True,
        check=checks.absolute_path,
    )
    tls_cert_file: str = setting("/etc/kubeedge/certs/edge.crt", "This node's certificate.", minimal=True, check=checks.absolute_path)
    tls_private_key_file: str = setting(
        "/etc/kubeedge/certs/edge.key", "The key of this node's certificate, mode 0600.", minimal=True, check=checks.absolute_path
    )
    token: str = setting(
        "", "A join token, used once when there is no certificate yet. Better: edgecore join, which keeps it out of files.", secret=True
    )
    websocket: WebSocket = section(WebSocket, "The link.")

    def problems(self) -> list[tuple[str, str]]:
        if self.enable and not self.websocket.enable:
            return [("websocket.enable", "expected true while edgehub is enabled: QUIC is not spoken here, the websocket is the only link")]
        return []


@dataclass(frozen=True, slots=True)
class StateTree:
    enable: bool = setting(
        False, "Keep what devices report as retained topics that people can read, ROOT/NODE/DEVICE/PROPERTY, and take values there."
    )
    root: str = setting("bramble", "ROOT: the first level of these topics.", check=checks.topic_level)


@dataclass(frozen=True, slots=True)
class HomeAssistant:
    discovery_prefix: str = setting("homeassistant", "The discovery prefix that Home Assistant is set to.", check=checks.topic_levels)
    enable: bool = setting(False, "Tell devices to Home Assistant by MQTT discovery (2024.11 and later). Wants stateTree.")
    status_topic: str = setting("homeassistant/status", "Where Home Assistant says that it is online.", check=checks.topic_levels)


@dataclass(frozen=True, slots=True)
class EventBus:
    IGNORED: ClassVar[tuple[str, ...]] = ("eventBusTLS", "tls", "mqttSubClientID", "mqttPubClientID")

    broker_fallback: bool = setting(
        True,
        "With mqttMode 2, when no broker answers at mqttServerExternal at the start: run a Mosquitto of our own at mqttServerInternal.",
    )
    enable: bool = setting(True, "Speak MQTT with mappers and applications.")
    home_assistant: HomeAssistant = section(HomeAssistant, "Home Assistant.")
    mqtt_mode: int = setting(
        2,
        "Which broker: 0 a Mosquitto of our own (at mqttServerInternal), 1 both, 2 the one at mqttServerExternal.",
        choices=(0, 1, 2),
        minimal=True,
    )
    mqtt_password: str = setting("", "Password for the external broker.", secret=True)
    mqtt_qos: int = setting(
        0, "QoS of messages that are published, as far as the protocol leaves it open.", key="mqttQOS", choices=(0, 1, 2), minimal=True
    )
    mqtt_retain: bool = setting(False, "Whether published messages are retained.", minimal=True)
    mqtt_server_external: str = setting("tcp://127.0.0.1:1883", "The broker that runs beside us.", minimal=True, check=checks.broker_url)
    mqtt_server_internal: str = setting("tcp://127.0.0.1:1884", "Where our own Mosquitto listens.", minimal=True, check=checks.broker_url)
    mqtt_session_queue_size: int = setting(
        100,
        "Messages that our own Mosquitto keeps for a client that is slow or away.",
        expected="a number of messages",
        minimum=1,
        maximum=100_000,
    )
    mqtt_username: str = setting("", "User name for the external broker. Empty: none.")
    state_tree: StateTree = section(StateTree, "Devices as topics for people.")

    def problems(self) -> list[tuple[str, str]]:
        if self.home_assistant.enable and not self.state_tree.enable:
            return [("homeAssistant.enable", "expected false while stateTree is off: Home Assistant reads the topics of the tree")]
        return []


@dataclass(frozen=True, slots=True)
class MetaManager:
    IGNORED: ClassVar[tuple[str, ...]] = ("contextSendGroup", "contextSendModule", "metaServer", "remoteQueryTimeout")

    enable: bool = setting(True, "Keep what the cloud said in the database.")
    pod_status_sync_interval: int = setting(
        60, "Seconds between two full reports of all pods to a KubeEdge cloud.", expected="seconds", minimum=1, maximum=86_400
    )


@dataclass(frozen=True, slots=True)
class ServiceBus:
    IGNORED: ClassVar[tuple[str, ...]] = ("timeout",)

    enable: bool = setting(
        False, "Carry HTTP requests of the cloud to applications on this node, and theirs to URLs that the cloud allows."
    )
    port: int = setting(
        9060, "Port where applications on this node ask the cloud; 0: they cannot.", expected="a port", minimum=0, maximum=65535
    )
    server: str = setting("127.0.0.1", "Address to listen on for applications, of this machine only.", check=checks.loopback_address)


@dataclass(frozen=True, slots=True)
class DeviceTwin:
    IGNORED: ClassVar[tuple[str, ...]] = ("dmiSockPath",)

    device_namespace: str = setting(
        "default", "The namespace in topics about a device whose mapper has not named one yet.", check=checks.topic_level
    )
    enable: bool = setting(True, "Keep the expected and reported state of devices.")
    topic_form: str = setting(
        "both",
        "Topics of devices: plain is $hw/events/device/ID/..., namespaced has NAMESPACE/ID there (KubeEdge 1.16 and later); or both.",
        choices=("both", "plain", "namespaced"),
    )


@dataclass(frozen=True, slots=True)
class EdgeMesh:
    IGNORED: ClassVar[tuple[str, ...]] = ("lbStrategy", "listenInterface", "listenPort", "subNet")

    enable: bool = setting(True, "Let pods of this board reach each other's Services by name and address.")


@dataclass(frozen=True, slots=True)
class LocalAPI:
    enable: bool = setting(True, "Answer the command line on this board, also without the cloud.")
    socket: str = setting("/run/bramble/edgecore.sock", "The unix socket of the local command line, mode 0600.", check=checks.absolute_path)


@dataclass(frozen=True, slots=True)
class EdgeStream:
    IGNORED: ClassVar[tuple[str, ...]] = (
        *("handshakeTimeout", "readDeadline", "writeDeadline", "server"),
        *("tlsTunnelCAFile", "tlsTunnelCertFile", "tlsTunnelPrivateKeyFile"),
    )

    enable: bool = setting(
        True,
        "Serve kubectl logs, exec, attach, port-forward and cp from the cloud, on a second connection that is dialed when asked for.",
    )


@dataclass(frozen=True, slots=True)
class Rules:
    enable: bool = setting(True, "Run rules on this board, which set what devices should be by what others report. Wants devicetwin.")
    folder: str = setting(
        "/etc/bramble/rules",
        "Folder of rules (YAML or JSON files) that hold without any cloud. It may be missing.",
        check=checks.absolute_path,
    )


@dataclass(frozen=True, slots=True)
class Upgrade:
    enable: bool = setting(True, "Take NodeUpgradeJobs of the cloud: let it bring this board to another version of Bramble.")


@dataclass(frozen=True, slots=True)
class Modules:
    IGNORED: ClassVar[tuple[str, ...]] = ("dbTest", "taskManager")

    devicetwin: DeviceTwin = section(DeviceTwin, "Devices.")
    edged: Edged = section(Edged, "Pods.")
    edgemesh: EdgeMesh = section(EdgeMesh, "Services among the pods of this board.")
    edgehub: EdgeHub = section(EdgeHub, "The link to the cloud.")
    edgestream: EdgeStream = section(EdgeStream, "What the cloud asks of running pods.", key="edgeStream")
    eventbus: EventBus = section(EventBus, "MQTT.")
    local_api: LocalAPI = section(LocalAPI, "The command line on the board.", key="localAPI")
    metamanager: MetaManager = section(MetaManager, "What the cloud said, kept.")
    rules: Rules = section(Rules, "Rules.")
    servicebus: ServiceBus = section(ServiceBus, "HTTP to applications on this node.")
    upgrade: Upgrade = section(Upgrade, "Versions of Bramble.")


@dataclass(frozen=True, slots=True)
class Metrics:
    address: str = setting("127.0.0.1", "Address to listen on.", check=checks.address)
    enable: bool = setting(True, "Serve the numbers of this board at /metrics, for Prometheus.")
    port: int = setting(
        10355,
        "Port to listen on; 0 takes a free one. Where it is taken EdgeCore runs without.",
        expected="a port",
        minimum=0,
        maximum=65535,
    )


@dataclass(frozen=True, slots=True)
class EdgeCoreConfig:
    API_VERSION: ClassVar = "edgecore.config.kubeedge.io/v1alpha1"
    KIND: ClassVar = "EdgeCore"
    REFUSED: ClassVar[dict[str, str]] = {
        "edgecore.config.kubeedge.io/v1alpha2": "the v1alpha2 of KubeEdge 1.12 and later moves most of edged into a kubelet's config; "
        "start from --minconfig and carry the settings over"
    }
    IGNORED: ClassVar[tuple[str, ...]] = ("featureGates",)

    database: Database = section(Database, "The store.")
    metrics: Metrics = section(Metrics, "Numbers.")
    modules: Modules = section(Modules, "The modules of EdgeCore.")


def read_config(path: str | Path) -> tuple[EdgeCoreConfig, list[str]]:
    """The config in the file at ``path`` over the defaults, and the warnings to print.

    Raises:
        edgecore.errors.ConfigError: with every problem, each beginning with the full key or the file.
    """
    try:
        return read(load(Path(path)), EdgeCoreConfig)
    except componentconfig.errors.ConfigError as exc:
        raise ConfigError(*exc.problems) from exc

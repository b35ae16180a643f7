"""CloudCore's component config (contract 9.2 and the keys of 1.3 that mean something here) and the reading of its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import componentconfig.errors
from cloudcore.errors import ConfigError
from componentconfig import checks
from componentconfig.file import load
from componentconfig.reading import read
from componentconfig.setting import section, setting

DEFAULT_FILE = "/etc/kubeedge/config/cloudcore.yaml"


@dataclass(frozen=True, slots=True)
class KubeAPI:
    IGNORED: ClassVar[tuple[str, ...]] = ("contentType", "qps")
    """Leases of thousands of boards outgrow any fixed rate; what holds us back is ``burst``, and the API server's own fairness."""

    burst: int = setting(200, "Requests to the API that may go out at once.", expected="a number of requests", minimum=1, maximum=100_000)
    kube_config: str = setting(
        "/root/.kube/config", "The kubeconfig of the Kubernetes API. Not needed inside a cluster.", minimal=True, check=checks.absolute_path
    )
    master: str = setting("", "URL of the API server, instead of the one in the kubeconfig.", minimal=True)


@dataclass(frozen=True, slots=True)
class WebSocketServer:
    address: str = setting("0.0.0.0", "Address to listen on.", minimal=True, check=checks.address)
    enable: bool = setting(True, "Listen for nodes.", minimal=True)
    port: int = setting(10000, "Port to listen on; 0 takes a free one.", expected="a port", minimum=0, maximum=65535, minimal=True)


@dataclass(frozen=True, slots=True)
class HttpsServer:
    address: str = setting("0.0.0.0", "Address to listen on.", minimal=True, check=checks.address)
    enable: bool = setting(True, "Sign certificates for nodes that have a token, and renew them.", minimal=True)
    port: int = setting(10002, "Port to listen on; 0 takes a free one.", expected="a port", minimum=0, maximum=65535, minimal=True)


@dataclass(frozen=True, slots=True)
class Admission:
    address: str = setting("127.0.0.1", "Address to listen on, which the API server must reach.", check=checks.address)
    enable: bool = setting(True, "Serve devices in v1beta1 beside v1alpha1, and check what is written of them.", minimal=True)
    port: int = setting(9443, "Port to listen on; where it is taken, a free one.", expected="a port", minimum=0, maximum=65535)
    service: str = setting(
        "",
        "NAMESPACE/NAME of the Service whose port 443 leads to this one, where CloudCore is a pod. Empty: it is called at its address.",
        check=checks.optional_namespaced_name,
    )


@dataclass(frozen=True, slots=True)
class CloudHub:
    IGNORED: ClassVar[tuple[str, ...]] = (
        *("authorization", "quic", "tlsCAFile", "tlsCAKeyFile", "tlsCertFile", "tlsPrivateKeyFile", "tokenRefreshDuration", "unixsocket"),
    )

    advertise_address: tuple[str, ...] = setting(
        (),
        "Addresses under which nodes reach this CloudCore, beside those of this machine; they go into its certificate.",
        minimal=True,
        check=checks.addresses,
    )
    announce: bool = setting(
        False,
        "Tell the networks of this machine by mDNS where boards can join, for boards that show a pairing code (edgecore pair).",
    )
    dns_names: tuple[str, ...] = setting((), "Names under which nodes reach this CloudCore.", check=checks.host_names)
    edge_cert_signing_duration: int = setting(365, "Days that a node's certificate is good for.", expected="days", minimum=1, maximum=3650)
    enable: bool = setting(True, "Serve nodes.")
    https: HttpsServer = section(HttpsServer, "Enrolment of nodes.")
    keepalive_interval: int = setting(
        30, "Seconds without any sign of life after which a node's link is closed.", expected="seconds", minimum=1, maximum=3600
    )
    node_limit: int = setting(
        10_000,
        "Nodes that may be connected at once. At the limit further nodes are refused; those that are connected stay.",
        expected="a number of nodes",
        minimum=1,
        maximum=1_000_000,
        minimal=True,
    )
    websocket: WebSocketServer = section(WebSocketServer, "The link of nodes: websocket over mutual TLS.")
    write_timeout: int = setting(
        30, "Seconds that the sending of one message to a node may take.", expected="seconds", minimum=1, maximum=3600
    )


@dataclass(frozen=True, slots=True)
class EdgeController:
    IGNORED: ClassVar[tuple[str, ...]] = ("buffer", "context", "load")

    enable: bool = setting(True, "Carry pods, configs and nodes between the API and the nodes.")
    node_update_frequency: int = setting(
        10, "Seconds between two renewals of the leases of connected nodes.", expected="seconds", minimum=1, maximum=3600
    )


@dataclass(frozen=True, slots=True)
class CloudStream:
    IGNORED: ClassVar[tuple[str, ...]] = (
        *("tlsStreamCAFile", "tlsStreamCertFile", "tlsStreamPrivateKeyFile"),
        *("tlsTunnelCAFile", "tlsTunnelCertFile", "tlsTunnelPrivateKeyFile", "tunnelPort"),
    )
    """Boards dial the hub's port for streams too; client certificates of API servers are known from the API."""

    address: str = setting("127.0.0.1", "Address to listen on for API servers.", minimal=True, check=checks.address)
    enable: bool = setting(True, "Serve kubectl logs, exec, attach, port-forward and cp for pods of nodes.", minimal=True)
    metrics_port: int = setting(
        10005, "Port for API servers that ask for metrics; 0 takes a free one.", expected="a port", minimum=0, maximum=65535
    )
    metrics_service: str = setting(
        "",
        "NAMESPACE/NAME of a Service whose port 443 leads to metricsPort: for kubectl top without metrics-server. Empty: not served.",
        check=checks.optional_namespaced_name,
    )
    node_address: str = setting(
        "",
        "Address of this CloudCore that nodes show as their InternalIP instead of their own, for API servers that dial nothing else.",
        check=checks.optional_address,
    )
    node_domain: str = setting(
        "localhost",
        "API servers reach the kubelet of a node as <node>.<nodeDomain>, which must lead here; localhost: they run on this machine.",
        check=checks.host_name,
    )
    stream_port: int = setting(
        10003, "Port for API servers; 0 takes a free one.", expected="a port", minimum=0, maximum=65535, minimal=True
    )


@dataclass(frozen=True, slots=True)
class DeviceController:
    IGNORED: ClassVar[tuple[str, ...]] = ("buffer", "context", "load")

    enable: bool = setting(True, "Carry devices and their twins between the API and the nodes.")


@dataclass(frozen=True, slots=True)
class Records:
    data_source: str = setting(
        "", "The SQLite file of the records. Empty: records.db in stateDir (in edgesite: in apiServer.dataDir).", check=checks.optional_path
    )
    enable: bool = setting(True, "Keep what nodes upload over MQTT, to be read with: cloudcore records.", minimal=True)
    max_age: int = setting(30, "Days after which a record is dropped and counted.", expected="days", minimum=1, maximum=36_500)
    max_size: int = setting(
        1024,
        "Megabytes of records. Of more the oldest of the node that has most are dropped and counted.",
        expected="megabytes",
        minimum=8,
        maximum=1_000_000,
        minimal=True,
    )


@dataclass(frozen=True, slots=True)
class Router:
    address: str = setting("127.0.0.1", "Address to listen on, of this machine only.", check=checks.address)
    enable: bool = setting(False, "Call applications on nodes at http://ADDRESS:PORT/NODE/PORT/PATH.")
    port: int = setting(9444, "Port to listen on; 0 takes a free one.", expected="a port", minimum=0, maximum=65535)
    rest_timeout: int = setting(60, "Seconds that an application on a node has for its answer.", expected="seconds", minimum=1, maximum=600)
    targets: tuple[str, ...] = setting((), "URLs that applications on nodes may ask through this CloudCore.", check=checks.http_urls)

    def problems(self) -> list[tuple[str, str]]:
        problem = checks.loopback_address(self.address) if self.enable else None
        return [("address", f"expected {problem}")] if problem else []


@dataclass(frozen=True, slots=True)
class InfluxSink:
    measurement: str = setting("bramble", "The measurement that samples are written to.", expected="a name", check=checks.word)
    token: str = setting("", "Token of the InfluxDB. Empty: none is sent.", secret=True)
    url: str = setting(
        "",
        "Where its line protocol is posted to, e.g. http://host:8086/api/v2/write?org=o&bucket=b or, of version 1, "
        "http://host:8086/write?db=d. Empty: nowhere.",
        check=checks.optional_http_url,
    )


@dataclass(frozen=True, slots=True)
class MqttSinkConfig:
    password: str = setting("", "Password for the broker.", secret=True)
    server: str = setting("", "The broker, e.g. tcp://host:1883 or mqtts://host:8883. Empty: none.", check=checks.optional_broker_url)
    topic: str = setting(
        "bramble/history", "What stands before NODE/DEVICE/PROPERTY in the topics that samples are published on.", check=checks.topic_levels
    )
    username: str = setting("", "User name for the broker. Empty: none.")


@dataclass(frozen=True, slots=True)
class PrometheusSink:
    password: str = setting("", "Password that goes with username.", secret=True)
    token: str = setting("", "Bearer token. Empty: none is sent.", secret=True)
    url: str = setting(
        "",
        "Where remote write (1.0) is posted to, e.g. http://host:9090/api/v1/write. Empty: nowhere.",
        check=checks.optional_http_url,
    )
    username: str = setting("", "User name (basic authentication). Empty: none is sent.")

    def problems(self) -> list[tuple[str, str]]:
        if self.username and self.token:
            return [("token", "expected nothing while username is set: one request shows one of them")]
        return []


@dataclass(frozen=True, slots=True)
class Webhook:
    token: str = setting("", "Bearer token. Empty: none is sent.", secret=True)
    url: str = setting("", "Where samples are posted to as JSON. Empty: nowhere.", check=checks.optional_http_url)


@dataclass(frozen=True, slots=True)
class HistorySinks:
    influxdb: InfluxSink = section(InfluxSink, "InfluxDB, and whatever takes its line protocol.", key="influxDB")
    mqtt: MqttSinkConfig = section(MqttSinkConfig, "A broker.")
    prometheus: PrometheusSink = section(PrometheusSink, "Prometheus, and whatever takes its remote write: numbers only.")
    queue: int = setting(
        100_000,
        "Samples that may wait for a sink; of more the oldest are dropped and counted.",
        expected="a number of samples",
        minimum=1000,
        maximum=10_000_000,
    )
    webhook: Webhook = section(Webhook, "Whatever takes JSON.")


@dataclass(frozen=True, slots=True)
class History:
    data_source: str = setting(
        "", "The SQLite file of the samples. Empty: history.db in stateDir (in edgesite: in apiServer.dataDir).", check=checks.optional_path
    )
    enable: bool = setting(True, "Take the samples of devices that nodes send.", minimal=True)
    local_store: bool = setting(True, "Keep them in a file of this machine, to be read with: cloudcore history.")
    max_age: int = setting(30, "Days after which a sample is dropped and counted.", expected="days", minimum=1, maximum=36_500)
    max_size: int = setting(
        1024,
        "Megabytes of samples. Of more the oldest of the node that has most are dropped and counted.",
        expected="megabytes",
        minimum=8,
        maximum=1_000_000,
        minimal=True,
    )
    sinks: HistorySinks = section(HistorySinks, "Where samples go as well. Each is off while it has no address.")

    def problems(self) -> list[tuple[str, str]]:
        sinks = self.sinks
        anywhere = sinks.influxdb.url or sinks.mqtt.server or sinks.prometheus.url or sinks.webhook.url
        if self.enable and not self.local_store and not anywhere:
            return [("localStore", "expected true while there is no sink: samples would be acknowledged and lost")]
        return []


@dataclass(frozen=True, slots=True)
class SyncController:
    enable: bool = setting(True, "Find and repair what a node has missed.")


@dataclass(frozen=True, slots=True)
class UpgradeController:
    enable: bool = setting(True, "Bring nodes to another version of Bramble, as NodeUpgradeJobs say.")


@dataclass(frozen=True, slots=True)
class Modules:
    IGNORED: ClassVar[tuple[str, ...]] = ("dynamicController", "iptablesManager", "taskManager")

    admission: Admission = section(Admission, "The webhooks that the API server calls about devices.")
    cloudhub: CloudHub = section(CloudHub, "The door to the nodes.")
    cloud_stream: CloudStream = section(CloudStream, "Logs and terminals of pods, for kubectl.")
    devicecontroller: DeviceController = section(DeviceController, "Devices.")
    edgecontroller: EdgeController = section(EdgeController, "Pods, configs and nodes.")
    history: History = section(History, "Samples of devices.")
    records: Records = section(Records, "What nodes upload.")
    router: Router = section(Router, "HTTP to applications on nodes, and of them to targets.")
    synccontroller: SyncController = section(SyncController, "Repair.")
    upgradecontroller: UpgradeController = section(UpgradeController, "Versions of Bramble on the nodes.")


@dataclass(frozen=True, slots=True)
class MonitorServer:
    IGNORED: ClassVar[tuple[str, ...]] = ("enableProfiling",)

    bind_address: str = setting(
        "127.0.0.1:9091",
        "Where /metrics is served for Prometheus; nothing turns it off, port 0 takes a free one.",
        check=checks.optional_listen_address,
    )


@dataclass(frozen=True, slots=True)
class CommonConfig:
    IGNORED: ClassVar[tuple[str, ...]] = ("tunnelPort",)

    monitor_server: MonitorServer = section(MonitorServer, "Metrics.")


@dataclass(frozen=True, slots=True)
class CloudCoreConfig:
    API_VERSION: ClassVar = "cloudcore.config.kubeedge.io/v1alpha1"
    KIND: ClassVar = "CloudCore"
    IGNORED: ClassVar[tuple[str, ...]] = ("featureGates", "leaderElection")

    common_config: CommonConfig = section(CommonConfig, "What the services share.")
    kube_api: KubeAPI = section(KubeAPI, "The Kubernetes API.", key="kubeAPIConfig")
    modules: Modules = section(Modules, "The services of CloudCore.")
    state_dir: str = setting(
        "/var/lib/bramble/cloudcore",
        "Where CloudCore may keep files: the records of what nodes uploaded, and samples.",
        check=checks.absolute_path,
    )

    @property
    def history_file(self) -> Path:
        named = self.modules.history.data_source
        return Path(named) if named else Path(self.state_dir) / "history.db"

    @property
    def records_file(self) -> Path:
        named = self.modules.records.data_source
        return Path(named) if named else Path(self.state_dir) / "records.db"


def read_config(path: str | Path) -> tuple[CloudCoreConfig, list[str]]:
    """The config in the file at ``path`` over the defaults, and the warnings to print.

    Raises:
        cloudcore.errors.ConfigError: with every problem, each beginning with the full key or the file.
    """
    try:
        return read(load(Path(path)), CloudCoreConfig)
    except componentconfig.errors.ConfigError as exc:
        raise ConfigError(*exc.problems) from exc

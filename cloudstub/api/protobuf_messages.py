"""Field numbers of the messages that `kubectl` sends as protobuf: what its `create`, `run`, `auth` and `drain` set.

One line for a message: ``number name type``, comma between fields. ``*`` after the type: a list; ``%``: a map from strings; ``?``: a
value that counts even when it is zero.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """``type`` is int, bool, string, bytes, Time, Quantity, IntOrString or the name of a message."""

    name: str
    type: str
    is_list: bool = False
    is_map: bool = False
    is_pointer: bool = False


_TABLE = """
ObjectMeta: 1 name string, 2 generateName string, 3 namespace string, 4 selfLink string, 5 uid string, 6 resourceVersion string, 7 generation int, 8 creationTimestamp Time, 9 deletionTimestamp Time, 10 deletionGracePeriodSeconds int?, 11 labels string%, 12 annotations string%, 13 ownerReferences OwnerReference*, 14 finalizers string*
OwnerReference: 1 kind string, 3 name string, 4 uid string, 5 apiVersion string, 6 controller bool?, 7 blockOwnerDeletion bool?
LabelSelector: 1 matchLabels string%, 2 matchExpressions LabelSelectorRequirement*
LabelSelectorRequirement: 1 key string, 2 operator string, 3 values string*
Nothing:
Namespace: 1 metadata ObjectMeta, 2 spec NamespaceSpec, 3 status NamespaceStatus
NamespaceSpec: 1 finalizers string*
NamespaceStatus: 1 phase string
ConfigMap: 1 metadata ObjectMeta, 2 data string%, 3 binaryData bytes%, 4 immutable bool?
Secret: 1 metadata ObjectMeta, 2 data bytes%, 3 type string, 4 stringData string%, 5 immutable bool?
ServiceAccount: 1 metadata ObjectMeta, 2 secrets ObjectReference*, 3 imagePullSecrets LocalObjectReference*, 4 automountServiceAccountToken bool?
ObjectReference: 1 kind string, 2 namespace string, 3 name string, 4 uid string, 5 apiVersion string, 6 resourceVersion string, 7 fieldPath string
LocalObjectReference: 1 name string
Service: 1 metadata ObjectMeta, 2 spec ServiceSpec, 3 status ServiceStatus
ServiceStatus: 1 loadBalancer Nothing
ServiceSpec: 1 ports ServicePort*, 2 selector string%, 3 clusterIP string, 4 type string, 5 externalIPs string*, 7 sessionAffinity string, 8 loadBalancerIP string, 10 externalName string, 11 externalTrafficPolicy string, 13 publishNotReadyAddresses bool, 17 ipFamilyPolicy string?, 18 clusterIPs string*, 19 ipFamilies string*, 22 internalTrafficPolicy string?
ServicePort: 1 name string, 2 protocol string, 3 port int, 4 targetPort IntOrString, 5 nodePort int, 6 appProtocol string?
Deployment: 1 metadata ObjectMeta, 2 spec DeploymentSpec, 3 status WorkloadStatus
DeploymentSpec: 1 replicas int?, 2 selector LabelSelector?, 3 template PodTemplateSpec, 4 strategy DeploymentStrategy, 5 minReadySeconds int, 6 revisionHistoryLimit int?, 7 paused bool, 9 progressDeadlineSeconds int?
DeploymentStrategy: 1 type string, 2 rollingUpdate RollingUpdate?
RollingUpdate: 1 maxUnavailable IntOrString?, 2 maxSurge IntOrString?
WorkloadStatus:
Job: 1 metadata ObjectMeta, 2 spec JobSpec, 3 status WorkloadStatus
JobSpec: 1 parallelism int?, 2 completions int?, 3 activeDeadlineSeconds int?, 4 selector LabelSelector?, 5 manualSelector bool?, 6 template PodTemplateSpec, 7 backoffLimit int?, 8 ttlSecondsAfterFinished int?, 9 completionMode string?, 10 suspend bool?
PodTemplateSpec: 1 metadata ObjectMeta, 2 spec PodSpec
Pod: 1 metadata ObjectMeta, 2 spec PodSpec, 3 status PodStatus
PodStatus: 1 phase string, 3 message string, 4 reason string, 5 hostIP string, 6 podIP string, 9 qosClass string, 11 nominatedNodeName string, 14 resize string
PodSpec: 1 volumes Volume*, 2 containers Container*, 3 restartPolicy string, 4 terminationGracePeriodSeconds int?, 5 activeDeadlineSeconds int?, 6 dnsPolicy string, 7 nodeSelector string%, 8 serviceAccountName string, 9 serviceAccount string, 10 nodeName string, 11 hostNetwork bool, 12 hostPID bool, 13 hostIPC bool, 15 imagePullSecrets LocalObjectReference*, 16 hostname string, 17 subdomain string, 19 schedulerName string, 20 initContainers Container*, 21 automountServiceAccountToken bool?, 24 priorityClassName string, 25 priority int?, 30 enableServiceLinks bool?
Volume: 1 name string, 2 volumeSource VolumeSource
VolumeSource: 1 hostPath HostPath?, 2 emptyDir EmptyDir?, 6 secret SecretVolume?, 19 configMap ConfigMapVolume?
HostPath: 1 path string, 2 type string?
EmptyDir: 1 medium string, 2 sizeLimit Quantity?
SecretVolume: 1 secretName string, 3 defaultMode int?, 4 optional bool?
ConfigMapVolume: 1 localObjectReference LocalObjectReference, 3 defaultMode int?, 4 optional bool?
Container: 1 name string, 2 image string, 3 command string*, 4 args string*, 5 workingDir string, 6 ports ContainerPort*, 7 env EnvVar*, 8 resources Resources, 9 volumeMounts VolumeMount*, 13 terminationMessagePath string, 14 imagePullPolicy string, 16 stdin bool, 17 stdinOnce bool, 18 tty bool, 20 terminationMessagePolicy string
ContainerPort: 1 name string, 2 hostPort int, 3 containerPort int, 4 protocol string, 5 hostIP string
EnvVar: 1 name string, 2 value string
Resources: 1 limits Quantity%, 2 requests Quantity%
VolumeMount: 1 name string, 2 readOnly bool, 3 mountPath string, 4 subPath string
Role: 1 metadata ObjectMeta, 2 rules PolicyRule*
ClusterRole: 1 metadata ObjectMeta, 2 rules PolicyRule*
PolicyRule: 1 verbs string*, 2 apiGroups string*, 3 resources string*, 4 resourceNames string*, 5 nonResourceURLs string*
RoleBinding: 1 metadata ObjectMeta, 2 subjects Subject*, 3 roleRef RoleRef
ClusterRoleBinding: 1 metadata ObjectMeta, 2 subjects Subject*, 3 roleRef RoleRef
Subject: 1 kind string, 2 apiGroup string, 3 name string, 4 namespace string
RoleRef: 1 apiGroup string, 2 kind string, 3 name string
SelfSubjectAccessReview: 1 metadata ObjectMeta, 2 spec AccessSpec, 3 status AccessStatus
AccessSpec: 1 resourceAttributes ResourceAttributes?, 2 nonResourceAttributes NonResourceAttributes?
ResourceAttributes: 1 namespace string, 2 verb string, 3 group string, 4 version string, 5 resource string, 6 subresource string, 7 name string
NonResourceAttributes: 1 path string, 2 verb string
AccessStatus: 1 allowed bool, 2 reason string, 3 evaluationError string, 4 denied bool
SelfSubjectRulesReview: 1 metadata ObjectMeta, 2 spec RulesSpec, 3 status RulesStatus
RulesSpec: 1 namespace string
RulesStatus: 3 incomplete bool, 4 evaluationError string
SelfSubjectReview: 1 metadata ObjectMeta, 2 status SelfStatus
SelfStatus: 1 userInfo UserInfo
UserInfo: 1 username string, 2 uid string, 3 groups string*
DeleteOptions: 1 gracePeriodSeconds int?, 2 preconditions Preconditions?, 3 orphanDependents bool?, 4 propagationPolicy string?, 5 dryRun string*
Preconditions: 1 uid string?, 2 resourceVersion string?
"""  # noqa: E501


def _message(text: str) -> dict[int, Field]:
    return dict(_field(*part.split()) for part in text.split(", ") if part.strip())


def _field(number: str, name: str, type_: str) -> tuple[int, Field]:
    bare = type_.rstrip("*%?")
    return int(number), Field(name, bare, type_.endswith("*"), type_.endswith("%"), type_.endswith("?"))


MESSAGES = {name: _message(rest) for name, _, rest in (line.partition(":") for line in _TABLE.strip().splitlines())}

INLINED = ("volumeSource", "localObjectReference")
"""Messages whose fields stand in JSON beside those of the one that holds them."""

{{/* Names are fixed: the rights in rbac.yaml and the webhooks are made out to them. */}}
{{- define "bramble.selector" -}}
app.kubernetes.io/name: cloudcore
{{- end }}

{{- define "bramble.labels" -}}
{{ include "bramble.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: bramble
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "bramble.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "bramble.claim" -}}
{{ .Values.persistence.existingClaim | default "cloudcore" }}
{{- end }}

{{- define "bramble.metrics-service" -}}
kubeedge/cloudcore-metrics
{{- end }}

{{/* cloudcore.yaml: what the Services and probes of this chart rest on, and over it what the values say. */}}
{{- define "bramble.own-config" -}}
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
commonConfig:
  monitorServer:
    bindAddress: 0.0.0.0:9091
modules:
  admission:
    address: 0.0.0.0
    service: kubeedge/cloudcore
  cloudhub:
    advertiseAddress: {{ toJson .Values.advertise.addresses }}
    dnsNames: {{ toJson .Values.advertise.dnsNames }}
  cloudStream:
    enable: {{ .Values.streams.enabled }}
    address: 0.0.0.0
    {{- with .Values.streams.clusterIP }}
    nodeAddress: {{ . | quote }}
    {{- end }}
    {{- with .Values.streams.nodeDomain }}
    nodeDomain: {{ . | quote }}
    {{- end }}
    {{- if .Values.metricsService.enabled }}
    metricsService: {{ include "bramble.metrics-service" . }}
    {{- end }}
stateDir: /var/lib/bramble/cloudcore
{{- end }}

{{- define "bramble.config" -}}
{{ toYaml (mergeOverwrite (include "bramble.own-config" . | fromYaml) .Values.config) }}
{{- end }}

{{/* What a schema cannot say. */}}
{{- define "bramble.checks" -}}
{{- if ne .Release.Namespace "kubeedge" }}
{{- fail "CloudCore keeps its CA, its tokens and its rights in the namespace kubeedge: helm install … --namespace kubeedge --create-namespace" }}
{{- end }}
{{- if and (gt (int .Values.replicas) 1) .Values.persistence.enabled }}
{{- fail "replicas: more than 1 need persistence.enabled=false, since each CloudCore keeps files of its own; what boards upload and sample then goes to history.sinks alone (docs/containers.md)" }}
{{- end }}
{{- if and .Values.metricsService.enabled (not .Values.streams.enabled) }}
{{- fail "metricsService.enabled: needs streams.enabled=true, since boards are asked over their streams" }}
{{- end }}
{{- end }}

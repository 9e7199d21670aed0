{{/* The object's name: the API server refuses more than 48 characters, with a sentence. */}}
{{- define "orchestrator-cluster.name" -}}
{{- default .Release.Name .Values.nameOverride -}}
{{- end -}}

{{- define "orchestrator-cluster.labels" -}}
app.kubernetes.io/name: orchestrator
app.kubernetes.io/instance: {{ include "orchestrator-cluster.name" . }}
app.kubernetes.io/part-of: orchestrator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whether clients speak HTTPS: "true" or nothing. */}}
{{- define "orchestrator-cluster.https" -}}
{{- with .Values.cluster.tls -}}
{{- if not (and (hasKey . "http") (not .http)) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* Port of the Service for clients. */}}
{{- define "orchestrator-cluster.port" -}}
{{- $port := dig "service" "port" 0 .Values.cluster | int -}}
{{- if $port -}}{{ $port }}{{- else if include "orchestrator-cluster.https" . -}}443{{- else -}}80{{- end -}}
{{- end -}}

{{- define "orchestrator-cluster.testImage" -}}
{{- coalesce .Values.test.image .Values.cluster.image (printf "orchestrator:%s" .Chart.AppVersion) -}}
{{- end -}}

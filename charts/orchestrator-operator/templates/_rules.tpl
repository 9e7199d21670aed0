{{/* Exactly what the operator uses. No pods/exec, no creating of pods, no listing of Secrets, no wildcard. */}}
{{- define "orchestrator-operator.rules" -}}
- apiGroups: [orchestrator.rs]
  resources: [orchestratorclusters]
  verbs: [list, watch, patch]
- apiGroups: [orchestrator.rs]
  resources: [orchestratorclusters/status]
  verbs: [patch, update]
# Children name their owner as one that must not go before them.
- apiGroups: [orchestrator.rs]
  resources: [orchestratorclusters/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# They go with their owner.
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
# Those that an object names, and the operator's own token: made once, and never changed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [get, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What has no namespace. */}}
{{- define "orchestrator-operator.clusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [orchestratorclusters.orchestrator.rs]
  verbs: [get]
{{- if .Values.rbac.nodes }}
- apiGroups: [""]
  resources: [nodes, persistentvolumes]
  verbs: [list, watch]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get]
{{- end }}
{{- end -}}

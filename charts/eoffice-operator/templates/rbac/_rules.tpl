{{- /* To see how a tenant runs in its namespace. */ -}}
{{- define "eoffice.lookingRules" -}}
- apiGroups: [""]
  resources: [pods, services, resourcequotas, events]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies, ingresses]
  verbs: [get, list, watch]
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, watch]
{{- end }}

{{- /* To see which replica works, what it audited when, and how long the queue is. */ -}}
{{- define "eoffice.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ .Values.leaderElection.leaseName }}]
  verbs: [get]
{{- end }}

{{- define "eoffice.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "eoffice.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains .Release.Name (include "eoffice.name" .) }}
{{- include "eoffice.name" . }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "eoffice.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "eoffice.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "eoffice.fullname" .) }}
{{- end }}

{{- /* The operator, as the API server knows it. */ -}}
{{- define "eoffice.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "eoffice.serviceAccount" . }}
{{- end }}

{{- /* The role that officers of a province get in its tenants' namespaces. */ -}}
{{- define "eoffice.officerLook" -}}
{{ include "eoffice.fullname" . }}-officer-look
{{- end }}

{{- define "eoffice.selectorLabels" -}}
app.kubernetes.io/name: {{ include "eoffice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "eoffice.labels" -}}
{{ include "eoffice.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: eoffice
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "eoffice.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

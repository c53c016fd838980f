{{- /* A CEL list of strings, to stand between double quotes or in a block. */ -}}
{{- define "eoffice.celList" -}}
[{{ range $i, $it := . }}{{ if $i }}, {{ end }}{{ $it | squote }}{{ end }}]
{{- end }}

{{- /* CEL: true unless the request comes from the operator. */ -}}
{{- define "eoffice.notOperator" -}}
request.userInfo.username != '{{ include "eoffice.user" . }}'
{{- end }}

{{- /* CEL: true unless the request comes from one of the given users and groups. */ -}}
{{- define "eoffice.notOneOf" -}}
!(request.userInfo.username in {{ include "eoffice.celList" .users }}
  || request.userInfo.groups.exists(group, group in {{ include "eoffice.celList" .groups }}))
{{- end }}

{{- /* CEL: true if the request comes from one of the given users and groups. */ -}}
{{- define "eoffice.oneOf" -}}
request.userInfo.username in {{ include "eoffice.celList" .users }}
|| request.userInfo.groups.exists(group, group in {{ include "eoffice.celList" .groups }})
{{- end }}

{{- /* What every policy of ours ends with: the binding that puts it in force. Takes a dict of root and name. */ -}}
{{- define "eoffice.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "eoffice.fullname" .root }}-{{ .name }}
  labels:
    {{- include "eoffice.labels" .root | nindent 4 }}
spec:
  policyName: {{ include "eoffice.fullname" .root }}-{{ .name }}
  validationActions: [Deny]
{{- end }}

{{- /* How every policy of ours begins. Takes a dict of root and name. */ -}}
{{- define "eoffice.policy" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ include "eoffice.fullname" .root }}-{{ .name }}
  labels:
    {{- include "eoffice.labels" .root | nindent 4 }}
{{- end }}

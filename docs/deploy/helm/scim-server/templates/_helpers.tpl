{{/* The name of all objects: that of the release, with the chart if the release does not name it. */}}
{{- define "scim-server.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "scim-server.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "scim-server.labels" -}}
{{ include "scim-server.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "scim-server.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "scim-server.scheme" -}}
{{ if .Values.tls.secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end -}}

{{- define "scim-server.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "scim-server.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The setting that every process needs to reach the database. */}}
{{- define "scim-server.databaseEnv" -}}
- name: SCIM_DATABASE_URL_FILE
  value: /etc/scim-server/secrets/database-url
{{- end -}}

{{/* Secrets are files: variables are inherited by child processes, and show up in descriptions of the pod. */}}
{{- define "scim-server.secretsMount" -}}
- name: secrets
  mountPath: /etc/scim-server/secrets
  readOnly: true
{{- end -}}

{{- define "scim-server.authoritiesMount" -}}
{{- if .Values.database.authorities }}
- name: database-authorities
  mountPath: /etc/scim-server/database
  readOnly: true
{{- end }}
{{- end -}}

{{- define "scim-server.authoritiesVolume" -}}
{{- if .Values.database.authorities }}
- name: database-authorities
  configMap:
    name: {{ .Values.database.authorities }}
{{- end }}
{{- end -}}

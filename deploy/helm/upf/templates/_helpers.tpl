{{- define "upf.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "upf.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "upf.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "upf.selector" . }}
{{- end }}

{{- define "upf.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "upf.name" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{/* The value of Multus' annotation: the enabled networks, in the order of their names. */}}
{{- define "upf.attachments" -}}
{{- $list := list }}
{{- range $name, $network := .Values.networks }}
{{- if $network.enabled }}
{{- $attachment := dict "name" (printf "%s-%s" (include "upf.name" $) $name) "interface" $network.interface }}
{{- if $network.existing }}
{{- $parts := splitList "/" $network.existing }}
{{- $_ := set $attachment "name" (last $parts) }}
{{- if gt (len $parts) 1 }}{{ $_ := set $attachment "namespace" (first $parts) }}{{ end }}
{{- end }}
{{- $list = append $list $attachment }}
{{- end }}
{{- end }}
{{- toJson $list }}
{{- end }}

{{/* Requests, which are the limits, too: processors, memory, hugepages, devices. */}}
{{- define "upf.resources" -}}
{{- $resources := dict "cpu" (toString .Values.resources.cpu) "memory" .Values.resources.memory }}
{{- with .Values.resources.hugepages }}
{{- if .size }}{{ $_ := set $resources (printf "hugepages-%s" .size) .amount }}{{ end }}
{{- end }}
{{- range $name, $network := .Values.networks }}
{{- if and $network.enabled $network.resourceName }}
{{- $count := add 1 (get $resources $network.resourceName | default "0" | int) }}
{{- $_ := set $resources $network.resourceName (toString $count) }}
{{- end }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

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

{{/* Values that contradict each other. */}}
{{- define "upf.check" -}}
{{- range $key := list "pfcp" "ports" "interfaces" }}
{{- if not (hasKey $.Values.config $key) }}
{{- fail (printf "config.%s: the UPF wants it; whole sets of values are in deploy/helm/examples" $key) }}
{{- end }}
{{- end }}
{{- range $port := .Values.config.ports }}
{{- range $prefix, $wanted := dict "af_packet:" (list "NET_RAW") "tap:" (list "NET_ADMIN") "af_xdp:" (list "NET_RAW" "NET_ADMIN" "BPF") }}
{{- if hasPrefix $prefix $port.device }}
{{- range $capability := $wanted }}
{{- if not (has $capability $.Values.capabilities) }}
{{- fail (printf "capabilities: the port %s (%s) needs %s" $port.name $port.device $capability) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $interfaces := list }}
{{- range $name, $network := .Values.networks }}
{{- if $network.enabled }}
{{- if has $network.interface $interfaces }}
{{- fail (printf "networks.%s.interface: %s is another network's already" $name $network.interface) }}
{{- end }}
{{- $interfaces = append $interfaces $network.interface }}
{{- end }}
{{- end }}
{{- $pages := .Values.resources.hugepages }}
{{- if and (eq $pages.size "1Gi") (not (hasSuffix "Gi" $pages.amount)) }}
{{- fail (printf "resources.hugepages.amount: %s is no number of pages of 1Gi" $pages.amount) }}
{{- end }}
{{- end }}

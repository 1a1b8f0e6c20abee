// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// containerRules are for containers of all sorts and what is inside of them.
func containerRules() []rule {
	common := []fieldRule{
		f("name", required, dnsLabel),
		f("image", required),
		f("imagePullPolicy", required),
		f("terminationMessagePolicy", required),
		f("ports", uniqueBy("Name")),
		f("resizePolicy", uniqueBy("ResourceName")),
		f("restartPolicyRules", maxItems(20)),
	}
	return []rule{
		of[corev1.Container](common...),
		of[corev1.EphemeralContainerCommon](common...),
		of[corev1.ContainerPort](
			f("name", text(validation.IsValidPortName)),
			f("containerPort", required, between(0, 65535)),
			f("hostPort", between(0, 65535)),
			f("protocol", required),
		),
		also(of[corev1.ContainerResizePolicy](f("resourceName", required), f("restartPolicy", required)),
			func(r *corev1.ContainerResizePolicy, at *field.Path, p *problems) {
				if r.ResourceName != "" {
					listed(p, at.Child("resourceName"), r.ResourceName, corev1.ResourceCPU, corev1.ResourceMemory)
				}
			}),
		of[corev1.ContainerRestartRule](f("action", required), f("exitCodes", required)),
		of[corev1.ContainerRestartRuleOnExitCodes](f("operator", required), f("values", maxItems(255))),
		of[corev1.ExecAction](f("command", required)),
		of[corev1.HTTPGetAction](f("path", required), f("port", portNumberOrName), f("scheme", required)),
		of[corev1.HTTPHeader](f("name", required, text(validation.IsHTTPHeaderName))),
		of[corev1.TCPSocketAction](f("port", portNumberOrName)),
		of[corev1.GRPCAction](f("port", portNumber)),
		unionOf[corev1.ProbeHandler]("handler type"),
		unionOf[corev1.LifecycleHandler]("handler type"),
		of[corev1.Probe](
			f("initialDelaySeconds", nonNegative),
			// A kubelet cannot probe every zero seconds: it would panic.
			f("periodSeconds", positive),
			f("timeoutSeconds", positive),
			f("successThreshold", positive),
			f("failureThreshold", positive),
			f("terminationGracePeriodSeconds", positive),
		),
	}
}

// claims are the volumes and devices that containers of a pod may use.
type claims struct {
	volumes   map[string]*corev1.Volume
	resources sets.Set[string]
}

// containersOf checks containers as parts of their pod.
func containersOf(s *corev1.PodSpec, at *field.Path, p *problems) {
	has := claims{map[string]*corev1.Volume{}, sets.New[string]()}
	for i := range s.Volumes {
		has.volumes[s.Volumes[i].Name] = &s.Volumes[i]
	}
	for _, c := range s.ResourceClaims {
		has.resources.Insert(c.Name)
	}
	names := sets.New[string]()
	hostPorts := sets.New[string]()
	for i := range s.Containers {
		c, at := &s.Containers[i], at.Child("containers").Index(i)
		uniqueName(names, c.Name, at, p)
		container(s, c, has, at, p)
		uniqueHostPorts(hostPorts, c.Ports, at, p)
		handlers(s, c, at, p)
	}
	for i := range s.InitContainers {
		c, at := &s.InitContainers[i], at.Child("initContainers").Index(i)
		uniqueName(names, c.Name, at, p)
		container(s, c, has, at, p)
		uniqueHostPorts(sets.New[string](), c.Ports, at, p)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			handlers(s, c, at, p)
		} else {
			plainInitContainer(c, at, p)
		}
	}
	targets := names.Clone()
	for i := range s.EphemeralContainers {
		c, at := &s.EphemeralContainers[i], at.Child("ephemeralContainers").Index(i)
		uniqueName(names, c.Name, at, p)
		container(s, (*corev1.Container)(&c.EphemeralContainerCommon), has, at, p)
		if c.TargetContainerName != "" && !targets.Has(c.TargetContainerName) {
			p.notFound(at.Child("targetContainerName"), c.TargetContainerName)
		}
		ephemeralContainer(&c.EphemeralContainerCommon, at, p)
	}
}

func uniqueName(names sets.Set[string], name string, at *field.Path, p *problems) {
	if name != "" && names.Has(name) {
		p.duplicate(at.Child("name"), name)
	}
	names.Insert(name)
}

func uniqueHostPorts(seen sets.Set[string], ports []corev1.ContainerPort, at *field.Path, p *problems) {
	for i, port := range ports {
		if port.HostPort == 0 {
			continue
		}
		key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
		if seen.Has(key) {
			p.duplicate(at.Child("ports").Index(i).Child("hostPort"), key)
		}
		seen.Insert(key)
	}
}

// container checks what all sorts of containers have.
func container(s *corev1.PodSpec, c *corev1.Container, has claims, at *field.Path, p *problems) {
	if p.full() {
		return
	}
	mounts(c, has.volumes, at, p)
	variables(c, has.volumes, at, p)
	containerResources(&c.Resources, has.resources, at.Child("resources"), p)
	if c.RestartPolicy == nil && len(c.RestartPolicyRules) > 0 {
		p.required(at.Child("restartPolicy"), "must be specified when there are `restartPolicyRules`")
	}
	for _, r := range c.ResizePolicy {
		if s.RestartPolicy == corev1.RestartPolicyNever && r.RestartPolicy != corev1.NotRequired {
			p.invalid(at.Child("resizePolicy"), r.RestartPolicy, "must be 'NotRequired' when the pod's `restartPolicy` is 'Never'")
		}
	}
	sc := c.SecurityContext
	if sc != nil && sc.ProcMount != nil && *sc.ProcMount == corev1.UnmaskedProcMount && (s.HostUsers == nil || *s.HostUsers) {
		p.invalid(at.Child("securityContext", "procMount"), *sc.ProcMount, "may only be 'Unmasked' when `hostUsers` is false")
	}
}

// handlers checks probes and hooks of containers that may have them.
func handlers(s *corev1.PodSpec, c *corev1.Container, at *field.Path, p *problems) {
	once := func(probe *corev1.Probe, at *field.Path) {
		if probe != nil && probe.SuccessThreshold > 1 {
			p.invalid(at.Child("successThreshold"), probe.SuccessThreshold, "must be 1")
		}
	}
	once(c.LivenessProbe, at.Child("livenessProbe"))
	once(c.StartupProbe, at.Child("startupProbe"))
	if r := c.ReadinessProbe; r != nil && r.TerminationGracePeriodSeconds != nil {
		p.invalid(at.Child("readinessProbe", "terminationGracePeriodSeconds"), *r.TerminationGracePeriodSeconds, "may not be specified for readiness probes")
	}
	if c.Lifecycle == nil {
		return
	}
	sleep := func(handler *corev1.LifecycleHandler, at *field.Path) {
		if handler == nil || handler.Sleep == nil || s.TerminationGracePeriodSeconds == nil {
			return
		}
		if seconds := handler.Sleep.Seconds; seconds < 0 || seconds > *s.TerminationGracePeriodSeconds {
			p.invalid(at.Child("sleep"), seconds, "must be between 0 and `terminationGracePeriodSeconds`, inclusive")
		}
	}
	sleep(c.Lifecycle.PostStart, at.Child("lifecycle", "postStart"))
	sleep(c.Lifecycle.PreStop, at.Child("lifecycle", "preStop"))
	if signal := c.Lifecycle.StopSignal; signal != nil {
		at := at.Child("lifecycle", "stopSignal")
		switch {
		case s.OS == nil:
			p.forbidden(at, "may not be specified when `os` is not")
		case s.OS.Name == corev1.Windows:
			listed(p, at, *signal, corev1.SIGKILL, corev1.SIGTERM)
		}
	}
}

// plainInitContainer refuses what an init container that ends cannot have.
func plainInitContainer(c *corev1.Container, at *field.Path, p *problems) {
	p.forbidEach(at, "may not be specified for init containers whose `restartPolicy` is not 'Always'", specified{
		{"lifecycle", c.Lifecycle != nil},
		{"livenessProbe", c.LivenessProbe != nil},
		{"readinessProbe", c.ReadinessProbe != nil},
		{"startupProbe", c.StartupProbe != nil},
	})
	for i, r := range c.ResizePolicy {
		if r.RestartPolicy == corev1.RestartContainer {
			p.invalid(at.Child("resizePolicy").Index(i).Child("restartPolicy"), r.RestartPolicy, "must be 'NotRequired' for init containers whose `restartPolicy` is not 'Always'")
		}
	}
}

// ephemeralContainer refuses what a container that joins a running pod cannot have.
func ephemeralContainer(c *corev1.EphemeralContainerCommon, at *field.Path, p *problems) {
	p.forbidEach(at, "may not be specified for ephemeral containers", specified{
		{"ports", len(c.Ports) > 0},
		{"resources", len(c.Resources.Limits)+len(c.Resources.Requests)+len(c.Resources.Claims) > 0},
		{"lifecycle", c.Lifecycle != nil},
		{"livenessProbe", c.LivenessProbe != nil},
		{"readinessProbe", c.ReadinessProbe != nil},
		{"startupProbe", c.StartupProbe != nil},
		{"resizePolicy", len(c.ResizePolicy) > 0},
		{"restartPolicy", c.RestartPolicy != nil},
		{"restartPolicyRules", len(c.RestartPolicyRules) > 0},
	})
	for i, m := range c.VolumeMounts {
		at := at.Child("volumeMounts").Index(i)
		if m.SubPath != "" {
			p.forbidden(at.Child("subPath"), "may not be specified for ephemeral containers")
		}
		if m.SubPathExpr != "" {
			p.forbidden(at.Child("subPathExpr"), "may not be specified for ephemeral containers")
		}
	}
}

// mounts checks that volumes of the pod are mounted, each place used once.
func mounts(c *corev1.Container, volumes map[string]*corev1.Volume, at *field.Path, p *problems) {
	paths, mounted := sets.New[string](), sets.New[string]()
	privileged := c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	for i, m := range c.VolumeMounts {
		at := at.Child("volumeMounts").Index(i)
		if m.Name != "" && volumes[m.Name] == nil {
			p.notFound(at.Child("name"), m.Name)
		}
		if m.MountPath != "" && paths.Has(m.MountPath) {
			p.invalid(at.Child("mountPath"), m.MountPath, "must be unique")
		}
		paths.Insert(m.MountPath)
		mounted.Insert(m.Name)
		if m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional && !privileged {
			p.forbidden(at.Child("mountPropagation"), "may only be 'Bidirectional' for privileged containers")
		}
	}
	devices, used := sets.New[string](), sets.New[string]()
	for i, d := range c.VolumeDevices {
		at := at.Child("volumeDevices").Index(i)
		switch v := volumes[d.Name]; {
		case d.Name == "":
		case v == nil:
			p.notFound(at.Child("name"), d.Name)
		case v.PersistentVolumeClaim == nil && v.Ephemeral == nil:
			p.invalid(at.Child("name"), d.Name, "must be a volume of type `persistentVolumeClaim` or `ephemeral`")
		}
		if d.Name != "" && used.Has(d.Name) {
			p.invalid(at.Child("name"), d.Name, "must be unique")
		}
		if d.DevicePath != "" && (devices.Has(d.DevicePath) || paths.Has(d.DevicePath)) {
			p.invalid(at.Child("devicePath"), d.DevicePath, "must be unique")
		}
		if d.Name != "" && mounted.Has(d.Name) {
			p.invalid(at.Child("name"), d.Name, "must not be mounted as well")
		}
		devices.Insert(d.DevicePath)
		used.Insert(d.Name)
	}
}

// environmentRules are for variables and where they come from.
func environmentRules() []rule {
	return []rule{
		also(of[corev1.EnvVar](f("name", required, text(validation.IsRelaxedEnvVarName))), func(e *corev1.EnvVar, at *field.Path, p *problems) {
			if e.ValueFrom != nil && e.Value != "" {
				p.invalid(at.Child("valueFrom"), "", "may not be specified when `value` is not empty")
			}
		}),
		whole(func(s *corev1.EnvVarSource, at *field.Path, p *problems) {
			if count(s.FieldRef != nil, s.ResourceFieldRef != nil, s.ConfigMapKeyRef != nil, s.SecretKeyRef != nil, s.FileKeyRef != nil) == 1 {
				return
			}
			p.invalid(at, "", "must specify exactly one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef`, `fileKeyRef`")
		}),
		also(of[corev1.EnvFromSource](f("prefix", text(validation.IsRelaxedEnvVarName))), func(s *corev1.EnvFromSource, at *field.Path, p *problems) {
			if count(s.ConfigMapRef != nil, s.SecretRef != nil) != 1 {
				p.invalid(at, "", "must specify exactly one of: `configMapRef`, `secretRef`")
			}
		}),
		of[corev1.ConfigMapEnvSource](f("name", required, subdomain)),
		of[corev1.SecretEnvSource](f("name", required, subdomain)),
		of[corev1.ConfigMapKeySelector](f("name", required, subdomain), f("key", required, configMapKey)),
		of[corev1.SecretKeySelector](f("name", required, subdomain), f("key", required, configMapKey)),
		of[corev1.FileKeySelector](
			f("key", required, text(validation.IsRelaxedEnvVarName)),
			f("volumeName", required, dnsLabel),
			f("path", required, noBacksteps),
		),
	}
}

// count tells how many of some fields are specified.
func count(specified ...bool) int {
	n := 0
	for _, s := range specified {
		if s {
			n++
		}
	}
	return n
}

// The fields of a pod that variables may have.
var envFields = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
	"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
}

func variables(c *corev1.Container, volumes map[string]*corev1.Volume, at *field.Path, p *problems) {
	for i := range c.Env {
		from, at := c.Env[i].ValueFrom, at.Child("env").Index(i).Child("valueFrom")
		if from == nil {
			continue
		}
		if from.FieldRef != nil {
			podField(from.FieldRef, envFields, at.Child("fieldRef"), p)
		}
		if from.ResourceFieldRef != nil {
			resourceField(from.ResourceFieldRef, false, at.Child("resourceFieldRef"), p)
		}
		if ref := from.FileKeyRef; ref != nil && ref.VolumeName != "" {
			at := at.Child("fileKeyRef", "volumeName")
			if v := volumes[ref.VolumeName]; v == nil {
				p.notFound(at, ref.VolumeName)
			} else if v.EmptyDir == nil {
				p.invalid(at, ref.VolumeName, "must be a volume of type `emptyDir`")
			}
		}
	}
}

// podField checks the name of a field of the pod that the downward API gives.
func podField(ref *corev1.ObjectFieldSelector, fields []string, at *field.Path, p *problems) {
	if ref.APIVersion == "" {
		p.required(at.Child("apiVersion"), "")
	}
	if ref.FieldPath == "" {
		p.required(at.Child("fieldPath"), "")
		return
	}
	name, subscript, subscripted := ref.FieldPath, "", false
	if before, after, ok := strings.Cut(name, "['"); ok && strings.HasSuffix(after, "']") {
		name, subscript, subscripted = before, strings.TrimSuffix(after, "']"), true
	}
	switch {
	case ref.APIVersion != "" && ref.APIVersion != "v1":
		p.invalid(at.Child("fieldPath"), ref.FieldPath, "must be a field of apiVersion v1")
	case subscripted && name == "metadata.annotations":
		p.each(at, subscript, validation.IsQualifiedName(strings.ToLower(subscript)))
	case subscripted && name == "metadata.labels":
		p.each(at, subscript, validation.IsQualifiedName(subscript))
	case subscripted:
		p.invalid(at.Child("fieldPath"), ref.FieldPath, "may only have a subscript for metadata.annotations and metadata.labels")
	case !slices.Contains(fields, name):
		p.add(field.NotSupported(at.Child("fieldPath"), name, fields))
	}
}

var (
	resourceFields = []string{
		"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory",
	}
	cpuDivisors  = []string{"1", "1m"}
	byteDivisors = []string{"1", "1E", "1Ei", "1G", "1Gi", "1Ki", "1M", "1Mi", "1P", "1Pi", "1T", "1Ti", "1k"}
)

// resourceField checks the name of a container's resource that the downward API
// gives.
func resourceField(ref *corev1.ResourceFieldSelector, named bool, at *field.Path, p *problems) {
	huge := strings.HasPrefix(ref.Resource, "requests.hugepages-") || strings.HasPrefix(ref.Resource, "limits.hugepages-")
	switch {
	case named && ref.ContainerName == "":
		p.required(at.Child("containerName"), "")
	case ref.Resource == "":
		p.required(at.Child("resource"), "")
	case !huge && !slices.Contains(resourceFields, ref.Resource):
		p.add(field.NotSupported(at.Child("resource"), ref.Resource, resourceFields))
	}
	if ref.Divisor.IsZero() {
		return
	}
	divisors := byteDivisors
	if strings.HasSuffix(ref.Resource, ".cpu") {
		divisors = cpuDivisors
	}
	if divisor := ref.Divisor.String(); !slices.Contains(divisors, divisor) {
		p.invalid(at.Child("divisor"), divisor, "must be one of: "+strings.Join(divisors, ", "))
	}
}

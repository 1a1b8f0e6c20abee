// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	unversioned "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The limits of a resolv.conf.
const (
	maxNameservers     = 3
	maxSearches        = 32
	maxSearchListChars = 2048
)

var spec = field.NewPath("spec")

// podRules are for everything that has a pod specification.
func podRules() []rule {
	return []rule{
		also(of[corev1.PodSpec](
			f("restartPolicy", required),
			f("dnsPolicy", required),
			f("terminationGracePeriodSeconds", required),
			f("activeDeadlineSeconds", between(1, 1<<31-1)),
			f("nodeSelector", labelMap),
			f("serviceAccountName", subdomain),
			f("nodeName", subdomain),
			f("hostname", dnsLabel),
			f("subdomain", dnsLabel),
			f("priorityClassName", subdomain),
			f("runtimeClassName", subdomain),
			f("hostnameOverride", subdomain, maxLength(64)),
			f("schedulingGates", uniqueBy("Name")),
			f("topologySpreadConstraints", uniqueBy("TopologyKey", "WhenUnsatisfiable")),
			f("resourceClaims", uniqueBy("Name")),
			f("volumes", uniqueBy("Name")),
		), podSpec),
		of[corev1.PodReadinessGate](f("conditionType", labelKey)),
		of[corev1.PodSchedulingGate](f("name", labelKey)),
		of[corev1.HostAlias](f("ip", required, text(legacyIP)), f("hostnames", subdomain)),
		also(of[corev1.PodDNSConfig](
			f("nameservers", maxItems(maxNameservers), text(legacyIP)),
			f("searches", maxItems(maxSearches), text(searchDomain)),
		), func(c *corev1.PodDNSConfig, at *field.Path, p *problems) {
			if len(strings.Join(c.Searches, " ")) > maxSearchListChars {
				p.invalid(at.Child("searches"), len(c.Searches), fmt.Sprintf("must not have more than %d characters in all", maxSearchListChars))
			}
		}),
		whole(func(o *corev1.PodDNSConfigOption, at *field.Path, p *problems) {
			if o.Name == "" {
				p.required(at, "must have a name")
			}
		}),
		of[corev1.PodOS](f("name", required)),
		also(of[corev1.PodResourceClaim](
			f("name", required, dnsLabel),
			f("resourceClaimName", subdomain),
			f("resourceClaimTemplateName", subdomain),
		), func(c *corev1.PodResourceClaim, at *field.Path, p *problems) {
			if (c.ResourceClaimName == nil) == (c.ResourceClaimTemplateName == nil) {
				p.invalid(at, c.Name, "must specify exactly one of: `resourceClaimName`, `resourceClaimTemplateName`")
			}
		}),
		whole(podTemplate),
	}
}

// legacyIP accepts what old fields accept: addresses in their canonical form.
func legacyIP(value string) []string {
	return messages(validation.IsValidIPForLegacyField(nil, value, true, nil))
}

func legacyCIDR(value string) []string {
	return messages(validation.IsValidCIDRForLegacyField(nil, value, true, nil))
}

func messages(errs field.ErrorList) []string {
	out := make([]string, 0, len(errs))
	for _, err := range errs {
		out = append(out, err.Detail)
	}
	return out
}

func searchDomain(value string) []string {
	if value == "." {
		return nil
	}
	return validation.IsDNS1123SubdomainWithUnderscore(strings.TrimSuffix(value, "."))
}

// podSpec checks what concerns several fields of a pod specification.
func podSpec(s *corev1.PodSpec, at *field.Path, p *problems) {
	if len(s.Containers) == 0 {
		p.required(at.Child("containers"), "must have a container")
	}
	if s.DNSPolicy == corev1.DNSNone {
		if s.DNSConfig == nil {
			p.required(at.Child("dnsConfig"), "must be specified when `dnsPolicy` is 'None'")
		} else if len(s.DNSConfig.Nameservers) == 0 {
			p.required(at.Child("dnsConfig", "nameservers"), "must have a nameserver when `dnsPolicy` is 'None'")
		}
	}
	containersOf(s, at, p)
	hostUsers(s, at, p)
	hostNetwork(s, at, p)
	operatingSystem(s, at, p)
	podResources(s, at, p)
	if s.HostnameOverride != nil {
		if s.SetHostnameAsFQDN != nil && *s.SetHostnameAsFQDN {
			p.forbidden(at.Child("hostnameOverride"), "may not be specified when `setHostnameAsFQDN` is true")
		}
		if s.HostNetwork {
			p.forbidden(at.Child("hostnameOverride"), "may not be specified when `hostNetwork` is true")
		}
	}
	if s.SecurityContext != nil {
		for i, sysctl := range s.SecurityContext.Sysctls {
			hostSysctl(s, sysctl.Name, at.Child("securityContext", "sysctls").Index(i).Child("name"), p)
		}
	}
	if s.ShareProcessNamespace != nil && *s.ShareProcessNamespace && s.HostPID {
		p.invalid(at.Child("shareProcessNamespace"), true, "may not be true when `hostPID` is true")
	}
}

// hostUsers checks what a pod may not share with its node when it has users of its
// own.
func hostUsers(s *corev1.PodSpec, at *field.Path, p *problems) {
	if s.HostUsers == nil || *s.HostUsers {
		return
	}
	p.forbidEach(at, "may not be true when `hostUsers` is false", specified{
		{"hostNetwork", s.HostNetwork}, {"hostPID", s.HostPID}, {"hostIPC", s.HostIPC},
	})
	eachContainer(s, at, func(c *corev1.Container, at *field.Path) {
		if len(c.VolumeDevices) > 0 {
			p.forbidden(at.Child("volumeDevices"), "may not be specified when `hostUsers` is false")
		}
	})
}

// hostNetwork checks that ports of the pod and of its node agree where they are
// the same. In templates they may be left out.
func hostNetwork(s *corev1.PodSpec, at *field.Path, p *problems) {
	if !s.HostNetwork {
		return
	}
	for i, c := range s.Containers {
		for j, port := range c.Ports {
			if port.HostPort != 0 && port.HostPort != port.ContainerPort {
				p.invalid(at.Child("containers").Index(i).Child("ports").Index(j).Child("hostPort"), port.HostPort, "must be the same as `containerPort` when `hostNetwork` is true")
			}
		}
	}
}

// operatingSystem refuses what the pod's operating system has not. Without one
// named nothing can be said.
func operatingSystem(s *corev1.PodSpec, at *field.Path, p *problems) {
	if s.OS == nil {
		return
	}
	const why = "may not be specified for the pod's operating system"
	windows := s.OS.Name == corev1.Windows
	if windows {
		p.forbidEach(at, why, specified{
			{"hostUsers", s.HostUsers != nil},
			{"hostPID", s.HostPID},
			{"hostIPC", s.HostIPC},
			{"shareProcessNamespace", s.ShareProcessNamespace != nil},
			{"resources", s.Resources != nil},
		})
	}
	switch sc, at := s.SecurityContext, at.Child("securityContext"); {
	case sc == nil:
	case windows:
		p.forbidEach(at, why, specified{
			{"appArmorProfile", sc.AppArmorProfile != nil},
			{"seLinuxOptions", sc.SELinuxOptions != nil},
			{"seccompProfile", sc.SeccompProfile != nil},
			{"fsGroup", sc.FSGroup != nil},
			{"fsGroupChangePolicy", sc.FSGroupChangePolicy != nil},
			{"sysctls", len(sc.Sysctls) > 0},
			{"runAsUser", sc.RunAsUser != nil},
			{"runAsGroup", sc.RunAsGroup != nil},
			{"supplementalGroups", sc.SupplementalGroups != nil},
			{"supplementalGroupsPolicy", sc.SupplementalGroupsPolicy != nil},
			{"seLinuxChangePolicy", sc.SELinuxChangePolicy != nil},
		})
	default:
		p.forbidEach(at, why, specified{{"windowsOptions", sc.WindowsOptions != nil}})
	}
	eachContainer(s, at, func(c *corev1.Container, at *field.Path) {
		switch sc, at := c.SecurityContext, at.Child("securityContext"); {
		case sc == nil:
		case windows:
			p.forbidEach(at, why, specified{
				{"appArmorProfile", sc.AppArmorProfile != nil},
				{"seLinuxOptions", sc.SELinuxOptions != nil},
				{"seccompProfile", sc.SeccompProfile != nil},
				{"capabilities", sc.Capabilities != nil},
				{"readOnlyRootFilesystem", sc.ReadOnlyRootFilesystem != nil},
				{"privileged", sc.Privileged != nil},
				{"allowPrivilegeEscalation", sc.AllowPrivilegeEscalation != nil},
				{"procMount", sc.ProcMount != nil},
				{"runAsUser", sc.RunAsUser != nil},
				{"runAsGroup", sc.RunAsGroup != nil},
			})
		default:
			p.forbidEach(at, why, specified{{"windowsOptions", sc.WindowsOptions != nil}})
		}
	})
}

// eachContainer visits containers of all sorts. Ephemeral ones have the fields of
// others.
func eachContainer(s *corev1.PodSpec, at *field.Path, visit func(*corev1.Container, *field.Path)) {
	for i := range s.InitContainers {
		visit(&s.InitContainers[i], at.Child("initContainers").Index(i))
	}
	for i := range s.Containers {
		visit(&s.Containers[i], at.Child("containers").Index(i))
	}
	for i := range s.EphemeralContainers {
		visit((*corev1.Container)(&s.EphemeralContainers[i].EphemeralContainerCommon), at.Child("ephemeralContainers").Index(i))
	}
}

// pod checks pods, new and changed ones.
func pod(pod *corev1.Pod, p *problems) {
	podAnnotations(pod.Annotations, &pod.Spec, field.NewPath("metadata", "annotations"), p)
	created := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		if v.Ephemeral != nil {
			created[pod.Name+"-"+v.Name] = true
		}
	}
	for i, v := range pod.Spec.Volumes {
		at := spec.Child("volumes").Index(i)
		if v.PersistentVolumeClaim != nil && created[v.PersistentVolumeClaim.ClaimName] {
			p.invalid(at.Child("persistentVolumeClaim", "claimName"), v.PersistentVolumeClaim.ClaimName, "must not be a claim that is made for an ephemeral volume")
		}
		if v.Image != nil && v.Image.Reference == "" {
			p.required(at.Child("image", "reference"), "")
		}
		if v.Projected == nil || pod.Spec.ServiceAccountName != "" {
			continue
		}
		for j, source := range v.Projected.Sources {
			if source.ServiceAccountToken != nil {
				p.forbidden(at.Child("projected", "sources").Index(j).Child("serviceAccountToken"), "may not be specified when `serviceAccountName` is not")
			}
		}
	}
	for i, c := range pod.Spec.Containers {
		for j, port := range c.Ports {
			if pod.Spec.HostNetwork && port.HostPort == 0 {
				p.invalid(spec.Child("containers").Index(i).Child("ports").Index(j).Child("hostPort"), 0, "must be the same as `containerPort` when `hostNetwork` is true")
			}
		}
	}
	eachContainer(&pod.Spec, spec, func(c *corev1.Container, at *field.Path) {
		if strings.TrimSpace(c.Image) != c.Image {
			p.invalid(at.Child("image"), c.Image, "must not have leading or trailing whitespace")
		}
	})
}

// createPod checks new pods.
func createPod(pod *corev1.Pod, p *problems) {
	if len(pod.Spec.EphemeralContainers) > 0 {
		p.forbidden(spec.Child("ephemeralContainers"), "may not be specified for new pods; use the subresource")
	}
	if pod.Spec.NodeName != "" && len(pod.Spec.SchedulingGates) > 0 {
		p.forbidden(spec.Child("nodeName"), "may not be specified as long as there are `schedulingGates`")
	}
	profilesAgree(pod.Annotations, &pod.Spec, spec, p)
}

// podTemplate checks the template that a workload makes its pods from. Its spec
// is found by its type.
func podTemplate(t *corev1.PodTemplateSpec, at *field.Path, p *problems) {
	p.add(unversioned.ValidateLabels(t.Labels, at.Child("metadata", "labels"))...)
	p.add(apivalidation.ValidateAnnotations(t.Annotations, at.Child("metadata", "annotations"))...)
	podAnnotations(t.Annotations, &t.Spec, at.Child("metadata", "annotations"), p)
	profilesAgree(t.Annotations, &t.Spec, at.Child("spec"), p)
	if len(t.Spec.EphemeralContainers) > 0 {
		p.forbidden(at.Child("spec", "ephemeralContainers"), "may not be specified in templates")
	}
}

// podAnnotations checks annotations that programs act on.
func podAnnotations(annotations map[string]string, s *corev1.PodSpec, at *field.Path, p *problems) {
	if len(annotations) == 0 {
		return
	}
	if value, ok := annotations[corev1.MirrorPodAnnotationKey]; ok && s.NodeName == "" {
		p.invalid(at.Key(corev1.MirrorPodAnnotationKey), value, "may not be specified when `spec.nodeName` is not")
	}
	if value, ok := annotations[corev1.PodDeletionCost]; ok && !deletionCost(value) {
		p.invalid(at.Key(corev1.PodDeletionCost), value, "must be a 32-bit integer")
	}
	containers := sets.New[string]()
	eachContainer(s, nil, func(c *corev1.Container, _ *field.Path) { containers.Insert(c.Name) })
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		value := annotations[key]
		switch {
		case key == corev1.SeccompPodAnnotationKey, strings.HasPrefix(key, corev1.SeccompContainerAnnotationKeyPrefix):
			p.each(at.Key(key), value, seccompName(value))
		case strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix):
			appArmorAnnotation(key, value, containers, at.Key(key), p)
		}
	}
}

// deletionCost accepts numbers as kube-controller-manager reads them.
func deletionCost(value string) bool {
	if strings.HasPrefix(value, "+") || len(value) > 1 && strings.HasPrefix(strings.TrimPrefix(value, "-"), "0") && value != "0" {
		return false
	}
	_, err := strconv.ParseInt(value, 10, 32)
	return err == nil
}

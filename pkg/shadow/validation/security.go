// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// maxProfilePath is that of a path on Linux, without the final zero.
	maxProfilePath  = 4095
	maxSysctlLength = 253
)

var sysctlName = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

// securityRules are for the security contexts of pods and containers.
func securityRules() []rule {
	return []rule{
		of[corev1.PodSecurityContext](
			f("runAsUser", userID),
			f("runAsGroup", userID),
			f("fsGroup", userID),
			f("supplementalGroups", eachOf(userID)),
			f("sysctls", uniqueBy("Name")),
		),
		also(of[corev1.SecurityContext](
			f("runAsUser", userID),
			f("runAsGroup", userID),
		), securityContext),
		also(of[corev1.Sysctl](f("name", required)), func(s *corev1.Sysctl, at *field.Path, p *problems) {
			if s.Name != "" && (len(s.Name) > maxSysctlLength || !sysctlName.MatchString(s.Name)) {
				p.invalid(at.Child("name"), s.Name, "must be the name of a kernel parameter of at most 253 characters, like net.ipv4.ip_forward")
			}
		}),
		also(of[corev1.SeccompProfile](f("type", required)), func(s *corev1.SeccompProfile, at *field.Path, p *problems) {
			local(at, s.Type == corev1.SeccompProfileTypeLocalhost, s.LocalhostProfile, p)
			if s.Type == corev1.SeccompProfileTypeLocalhost && s.LocalhostProfile != nil {
				p.each(at.Child("localhostProfile"), *s.LocalhostProfile, relative(*s.LocalhostProfile))
			}
		}),
		also(of[corev1.AppArmorProfile](
			f("type", required), f("localhostProfile", trimmed, maxLength(maxProfilePath)),
		), func(a *corev1.AppArmorProfile, at *field.Path, p *problems) {
			local(at, a.Type == corev1.AppArmorProfileTypeLocalhost, a.LocalhostProfile, p)
			if a.Type == corev1.AppArmorProfileTypeLocalhost && a.LocalhostProfile != nil && strings.TrimSpace(*a.LocalhostProfile) == "" {
				p.required(at.Child("localhostProfile"), "must be specified when `type` is 'Localhost'")
			}
		}),
	}
}

// local checks that a profile on the node is named if, and only if, it is used.
func local(at *field.Path, used bool, profile *string, p *problems) {
	switch {
	case used && profile == nil:
		p.required(at.Child("localhostProfile"), "must be specified when `type` is 'Localhost'")
	case !used && profile != nil:
		p.invalid(at.Child("localhostProfile"), *profile, "may only be specified when `type` is 'Localhost'")
	}
}

// securityContext checks that a container does not ask for more privileges than
// it says it may get.
func securityContext(sc *corev1.SecurityContext, at *field.Path, p *problems) {
	if sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation {
		return
	}
	if sc.Privileged != nil && *sc.Privileged {
		p.invalid(at, "allowPrivilegeEscalation", "may not be false when `privileged` is true")
	}
	if sc.Capabilities == nil {
		return
	}
	for _, capability := range sc.Capabilities.Add {
		if capability == "CAP_SYS_ADMIN" {
			p.invalid(at, "allowPrivilegeEscalation", "may not be false when CAP_SYS_ADMIN is added")
		}
	}
}

// hostSysctl refuses kernel parameters of namespaces that the pod shares with its
// node.
func hostSysctl(s *corev1.PodSpec, name string, at *field.Path, p *problems) {
	name = strings.ReplaceAll(name, "/", ".")
	if s.HostNetwork && strings.HasPrefix(name, "net.") {
		p.invalid(at, name, "may not be specified when `hostNetwork` is true")
	}
	ipc := strings.HasPrefix(name, "kernel.shm") || strings.HasPrefix(name, "kernel.msg") || name == "kernel.sem" || strings.HasPrefix(name, "fs.mqueue.")
	if s.HostIPC && ipc {
		p.invalid(at, name, "may not be specified when `hostIPC` is true")
	}
}

// seccompName checks the names of seccomp profiles in annotations.
func seccompName(value string) []string {
	switch value {
	case corev1.SeccompProfileRuntimeDefault, corev1.DeprecatedSeccompProfileDockerDefault, corev1.SeccompProfileNameUnconfined:
		return nil
	}
	if file, ok := strings.CutPrefix(value, corev1.SeccompLocalhostProfileNamePrefix); ok {
		return relative(file)
	}
	return []string{"must be runtime/default, unconfined or localhost/<path>"}
}

func appArmorAnnotation(key, value string, containers sets.Set[string], at *field.Path, p *problems) {
	if name := strings.TrimPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix); !containers.Has(name) {
		p.invalid(at, name, "must name a container of the pod")
	}
	switch {
	case value == "", value == corev1.DeprecatedAppArmorBetaProfileRuntimeDefault, value == corev1.DeprecatedAppArmorBetaProfileNameUnconfined:
	case strings.HasPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix):
	default:
		p.invalid(at, value, "must be runtime/default, unconfined or localhost/<profile>")
	}
}

// profilesAgree checks that annotations and fields do not name different profiles,
// of which a kubelet would have to choose one.
func profilesAgree(annotations map[string]string, s *corev1.PodSpec, at *field.Path, p *problems) {
	if len(annotations) == 0 {
		return
	}
	var podArmor *corev1.AppArmorProfile
	if sc := s.SecurityContext; sc != nil {
		podArmor = sc.AppArmorProfile
		if value, ok := annotations[corev1.SeccompPodAnnotationKey]; ok && sc.SeccompProfile != nil {
			agrees(value, seccompAnnotations(sc.SeccompProfile), at.Child("securityContext", "seccompProfile", "type"), p)
		}
	}
	eachContainer(s, at, func(c *corev1.Container, at *field.Path) {
		armor := podArmor
		if sc := c.SecurityContext; sc != nil {
			if sc.AppArmorProfile != nil {
				armor = sc.AppArmorProfile
			}
			if value, ok := annotations[corev1.SeccompContainerAnnotationKeyPrefix+c.Name]; ok && sc.SeccompProfile != nil {
				agrees(value, seccompAnnotations(sc.SeccompProfile), at.Child("securityContext", "seccompProfile", "type"), p)
			}
		}
		if value, ok := annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+c.Name]; ok && armor != nil {
			agrees(value, appArmorAnnotations(armor), at.Child("securityContext", "appArmorProfile", "type"), p)
		}
	})
}

func agrees(value string, allowed []string, at *field.Path, p *problems) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	p.forbidden(at, "must name the same profile as the annotation")
}

// seccompAnnotations are the annotations that say what a field says.
func seccompAnnotations(profile *corev1.SeccompProfile) []string {
	switch profile.Type {
	case corev1.SeccompProfileTypeUnconfined:
		return []string{corev1.SeccompProfileNameUnconfined}
	case corev1.SeccompProfileTypeRuntimeDefault:
		return []string{corev1.SeccompProfileRuntimeDefault, corev1.DeprecatedSeccompProfileDockerDefault}
	case corev1.SeccompProfileTypeLocalhost:
		if profile.LocalhostProfile != nil {
			return []string{corev1.SeccompLocalhostProfileNamePrefix + *profile.LocalhostProfile}
		}
	}
	return nil
}

func appArmorAnnotations(profile *corev1.AppArmorProfile) []string {
	switch profile.Type {
	case corev1.AppArmorProfileTypeUnconfined:
		return []string{corev1.DeprecatedAppArmorBetaProfileNameUnconfined}
	case corev1.AppArmorProfileTypeRuntimeDefault:
		return []string{corev1.DeprecatedAppArmorBetaProfileRuntimeDefault}
	case corev1.AppArmorProfileTypeLocalhost:
		if profile.LocalhostProfile != nil {
			return []string{corev1.DeprecatedAppArmorBetaProfileNamePrefix + *profile.LocalhostProfile}
		}
	}
	return nil
}

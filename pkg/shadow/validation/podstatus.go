// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

var status = field.NewPath("status")

// podStatus checks what a kubelet says about a pod.
func podStatus(pod, old *corev1.Pod, p *problems) {
	keptAnnotations(pod, old, p)
	now, before := &pod.Status, &old.Status
	for i, c := range now.Conditions {
		at := status.Child("conditions").Index(i)
		p.each(at.Child("type"), c.Type, validation.IsQualifiedName(string(c.Type)))
		if c.ObservedGeneration < 0 {
			p.invalid(at.Child("observedGeneration"), c.ObservedGeneration, "must be greater than or equal to 0")
		}
	}
	if now.ObservedGeneration < 0 {
		p.invalid(status.Child("observedGeneration"), now.ObservedGeneration, "must be greater than or equal to 0")
	}
	if node := now.NominatedNodeName; node != "" && node != before.NominatedNodeName {
		p.each(status.Child("nominatedNodeName"), node, validation.IsDNS1123Subdomain(node))
		if old.Spec.NodeName != "" {
			p.forbidden(status.Child("nominatedNodeName"), "may not be specified for pods that have a node")
		}
	}
	unchanged(p, status.Child("qosClass"), now.QOSClass, before.QOSClass)

	restartAll := func(containers []corev1.Container) bool {
		return slices.ContainsFunc(containers, func(c corev1.Container) bool {
			return slices.ContainsFunc(c.RestartPolicyRules, func(r corev1.ContainerRestartRule) bool {
				return r.Action == corev1.ContainerRestartRuleActionRestartAllContainers
			})
		})
	}
	if s := &old.Spec; !restartAll(s.Containers) && !restartAll(s.InitContainers) {
		restarted(now.ContainerStatuses, before.ContainerStatuses, s.RestartPolicy, s.Containers, status.Child("containerStatuses"), p)
		restarted(now.InitContainerStatuses, before.InitContainerStatuses, s.RestartPolicy, s.InitContainers, status.Child("initContainerStatuses"), p)
	}
	restarted(now.EphemeralContainerStatuses, before.EphemeralContainerStatuses, corev1.RestartPolicyNever, nil, status.Child("ephemeralContainerStatuses"), p)

	podIPs := make([]string, 0, len(now.PodIPs))
	for _, ip := range now.PodIPs {
		podIPs = append(podIPs, ip.IP)
	}
	addresses(podIPs, status.Child("podIPs"), p)
	if ip := now.PodIP; ip != "" {
		p.each(status.Child("podIP"), ip, legacyIP(ip))
		if len(podIPs) > 0 && podIPs[0] != ip {
			p.invalid(status.Child("podIP"), ip, "must be the first of `podIPs`")
		}
	}
	hostIPs := make([]string, 0, len(now.HostIPs))
	for _, ip := range now.HostIPs {
		hostIPs = append(hostIPs, ip.IP)
	}
	addresses(hostIPs, status.Child("hostIPs"), p)
	if len(hostIPs) > 0 && hostIPs[0] != now.HostIP {
		p.invalid(status.Child("hostIPs").Index(0).Child("ip"), hostIPs[0], "must be equal to `hostIP`")
	}
}

// restarted refuses that containers run again which have ended for good.
func restarted(now, before []corev1.ContainerStatus, policy corev1.RestartPolicy, containers []corev1.Container, at *field.Path, p *problems) {
	running := map[string]bool{}
	for _, c := range now {
		if c.State.Terminated == nil {
			running[c.Name] = true
		}
	}
	byName := make(map[string]*corev1.Container, len(containers))
	for i := range containers {
		byName[containers[i].Name] = &containers[i]
	}
	for i, c := range before {
		ended := c.State.Terminated
		if ended == nil || !running[c.Name] {
			continue
		}
		if spec := byName[c.Name]; spec == nil || !restarts(spec, policy, ended.ExitCode) {
			p.forbidden(at.Index(i).Child("state"), "may not run again")
		}
	}
}

// restarts tells whether a container that ended so is started again.
func restarts(c *corev1.Container, policy corev1.RestartPolicy, exitCode int32) bool {
	for _, r := range c.RestartPolicyRules {
		if r.ExitCodes == nil {
			continue
		}
		in := slices.Contains(r.ExitCodes.Values, exitCode)
		if in == (r.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return true
		}
	}
	if c.RestartPolicy != nil {
		policy = corev1.RestartPolicy(*c.RestartPolicy)
	}
	return policy == corev1.RestartPolicyAlways || policy == corev1.RestartPolicyOnFailure && exitCode != 0
}

// addresses checks the addresses of one thing: one of each family.
func addresses(ips []string, at *field.Path, p *problems) {
	parsed := make([]net.IP, 0, len(ips))
	for i, ip := range ips {
		p.each(at.Index(i), ip, legacyIP(ip))
		parsed = append(parsed, netutils.ParseIPSloppy(ip))
	}
	if len(ips) < 2 || slices.ContainsFunc(parsed, func(ip net.IP) bool { return ip == nil }) {
		return
	}
	if len(ips) > 2 || netutils.IsIPv6(parsed[0]) == netutils.IsIPv6(parsed[1]) {
		p.invalid(at, ips, "may have no more than one address of each family")
	}
}

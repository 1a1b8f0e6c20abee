// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// reasonNodeLost is the reason of a pod's status whose node does not answer.
const reasonNodeLost = "NodeLost"

var (
	podStatusDoc = corev1.PodStatus{}.SwaggerDoc()
	podSpecDoc   = corev1.PodSpec{}.SwaggerDoc()
)

// Pods are the columns of pods.
var Pods = newWithConditions(definitions{
	nameColumn,
	text("Ready", "How many of the pod's containers are ready."),
	text("Status", "What the pod's containers do, in a word."),
	text("Restarts", "How often the containers were restarted, and how long ago the last one was."),
	ageColumn,
	wide(text("IP", podStatusDoc["podIP"])),
	wide(text("Node", podSpecDoc["nodeName"])),
	wide(text("Nominated Node", podStatusDoc["nominatedNodeName"])),
	wide(text("Readiness Gates", podSpecDoc["readinessGates"])),
}, func(pod *corev1.Pod) ([]any, []metav1.TableRowCondition) {
	s := summarize(pod)
	ip := ""
	if len(pod.Status.PodIPs) > 0 {
		ip = pod.Status.PodIPs[0].IP
	}
	return []any{
		pod.Name,
		fmt.Sprintf("%d/%d", s.ready, s.total),
		s.status,
		s.restarts.String(),
		age(pod),
		or(ip, none),
		or(pod.Spec.NodeName, none),
		or(pod.Status.NominatedNodeName, none),
		readinessGates(pod),
	}, completed(pod.Status.Phase)
})

// PodTemplates are the columns of podtemplates.
var PodTemplates = New(definitions{
	nameColumn,
	text("Containers", containersColumn.Description),
	text("Images", imagesColumn.Description),
	text("Pod Labels", "The labels of the template."),
}, func(t *corev1.PodTemplate) []any {
	names, images := containers(&t.Template.Spec)
	return []any{t.Name, names, images, labels.FormatLabels(t.Template.Labels)}
})

var (
	rowSucceeded = []metav1.TableRowCondition{{Type: metav1.RowCompleted, Status: metav1.ConditionTrue, Reason: string(corev1.PodSucceeded), Message: "The pod has completed successfully."}}
	rowFailed    = []metav1.TableRowCondition{{Type: metav1.RowCompleted, Status: metav1.ConditionTrue, Reason: string(corev1.PodFailed), Message: "The pod failed."}}
)

// completed marks the rows of pods that will not run again.
func completed(phase corev1.PodPhase) []metav1.TableRowCondition {
	switch phase {
	case corev1.PodSucceeded:
		return rowSucceeded
	case corev1.PodFailed:
		return rowFailed
	default:
		return nil
	}
}

// restarts counts restarts and remembers the last one.
type restarts struct {
	count int
	last  time.Time
}

func (r *restarts) add(c *corev1.ContainerStatus) {
	r.count += int(c.RestartCount)
	if t := c.LastTerminationState.Terminated; t != nil && t.FinishedAt.After(r.last) {
		r.last = t.FinishedAt.Time
	}
}

func (r restarts) String() string {
	if r.count == 0 || r.last.IsZero() {
		return strconv.Itoa(r.count)
	}
	return fmt.Sprintf("%d (%s ago)", r.count, since(metav1.NewTime(r.last)))
}

// podSummary is what a pod's containers add up to.
type podSummary struct {
	status       string
	ready, total int
	restarts     restarts
}

func summarize(pod *corev1.Pod) podSummary {
	s := podSummary{status: or(pod.Status.Reason, string(pod.Status.Phase)), total: len(pod.Spec.Containers)}
	for i := range pod.Spec.InitContainers {
		if isSidecar(&pod.Spec.InitContainers[i]) {
			s.total++
		}
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonSchedulingGated {
			s.status = corev1.PodReasonSchedulingGated
		}
	}
	sidecars, initialized := s.addInitContainers(pod)
	if initialized || isTrue(pod, corev1.PodInitialized) {
		// From here on, restarts of containers that are done do not matter.
		s.restarts = sidecars
		s.addContainers(pod)
	}
	if pod.DeletionTimestamp != nil {
		switch {
		case pod.Status.Reason == reasonNodeLost:
			s.status = "Unknown"
		case pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed:
			s.status = "Terminating"
		}
	}
	return s
}

// addInitContainers goes through the init containers up to the first that is not
// done, which says what the pod waits for. Of those it returns the restarts of
// sidecars, and whether all were done.
func (s *podSummary) addInitContainers(pod *corev1.Pod) (sidecars restarts, initialized bool) {
	for i := range pod.Status.InitContainerStatuses {
		c := &pod.Status.InitContainerStatuses[i]
		sidecar := isSidecarStatus(pod, c)
		s.restarts.add(c)
		if sidecar {
			sidecars.add(c)
		}
		terminated, waiting := c.State.Terminated, c.State.Waiting
		switch {
		case terminated != nil && terminated.ExitCode == 0:
			continue
		case sidecar && c.Started != nil && *c.Started:
			if c.Ready {
				s.ready++
			}
			continue
		case terminated != nil:
			s.status = "Init:" + howEnded(terminated)
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing":
			s.status = "Init:" + waiting.Reason
		default:
			s.status = fmt.Sprintf("Init:%d/%d", i, len(pod.Spec.InitContainers))
		}
		return sidecars, false
	}
	return sidecars, true
}

// addContainers goes through the containers backwards, so that the first one
// with something to say has the last word.
func (s *podSummary) addContainers(pod *corev1.Pod) {
	running, failure := false, ""
	for i := len(pod.Status.ContainerStatuses) - 1; i >= 0; i-- {
		c := &pod.Status.ContainerStatuses[i]
		s.restarts.add(c)
		terminated, waiting := c.State.Terminated, c.State.Waiting
		switch {
		case waiting != nil && waiting.Reason != "":
			s.status = waiting.Reason
		case terminated != nil:
			s.status = howEnded(terminated)
			if terminated.ExitCode != 0 {
				failure = s.status
			}
		case c.Ready && c.State.Running != nil:
			running = true
			s.ready++
		}
	}
	if s.status != "Completed" {
		return
	}
	switch {
	case running && isTrue(pod, corev1.PodReady):
		s.status = "Running"
	case failure != "":
		s.status = failure
	case running:
		s.status = "NotReady"
	}
}

func howEnded(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	default:
		return fmt.Sprintf("ExitCode:%d", t.ExitCode)
	}
}

// isSidecar reports whether an init container keeps running beside the others.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func isSidecarStatus(pod *corev1.Pod, status *corev1.ContainerStatus) bool {
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.Name == status.Name {
			return isSidecar(c)
		}
	}
	return false
}

func isTrue(pod *corev1.Pod, condition corev1.PodConditionType) bool {
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == condition {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func readinessGates(pod *corev1.Pod) string {
	if len(pod.Spec.ReadinessGates) == 0 {
		return none
	}
	open := 0
	for _, gate := range pod.Spec.ReadinessGates {
		if isTrue(pod, gate.ConditionType) {
			open++
		}
	}
	return fmt.Sprintf("%d/%d", open, len(pod.Spec.ReadinessGates))
}

// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package resourcemetrics

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
)

// maxSummary bounds the answer of a kubelet. With 500 pods it has about 1 MB.
const maxSummary = 4 << 20

// summary is what is looked at of a kubelet's /stats/summary.
type summary struct {
	Node consumption `json:"node"`
	Pods []struct {
		PodRef struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"podRef"`
		Containers []struct {
			Name string `json:"name"`
			consumption
		} `json:"containers"`
	} `json:"pods"`
}

// consumption lacks what the kubelet does not know yet.
type consumption struct {
	CPU struct {
		Time           time.Time `json:"time"`
		UsageNanoCores *uint64   `json:"usageNanoCores"`
	} `json:"cpu"`
	Memory struct {
		WorkingSetBytes *uint64 `json:"workingSetBytes"`
	} `json:"memory"`
}

// usage is what was used at a time.
type usage struct {
	at          time.Time
	cpu, memory int64 // billionths of a core, bytes
}

func (u usage) list() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(u.cpu, resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(u.memory, resource.BinarySI),
	}
}

type containerUsage struct {
	name string
	usage
}

// figures are what a kubelet said, as far as it is complete.
type figures struct {
	node *usage // nil if unknown
	pods map[types.NamespacedName][]containerUsage
}

// readFigures reads a kubelet's answer.
func readFigures(body io.Reader) (*figures, error) {
	content, err := io.ReadAll(io.LimitReader(body, maxSummary+1))
	if err != nil {
		return nil, fmt.Errorf("reading the summary: %w", err)
	}
	if len(content) > maxSummary {
		return nil, fmt.Errorf("the summary has more than %d bytes", maxSummary)
	}
	var s summary
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, fmt.Errorf("reading the summary: %w", err)
	}
	f := &figures{pods: make(map[types.NamespacedName][]containerUsage, len(s.Pods))}
	if u, ok := s.Node.usage(); ok {
		f.node = &u
	}
	for _, pod := range s.Pods {
		containers := make([]containerUsage, 0, len(pod.Containers))
		for _, c := range pod.Containers {
			if u, ok := c.usage(); ok {
				containers = append(containers, containerUsage{c.Name, u})
			}
		}
		// A sum without one of its parts would mislead.
		if len(containers) > 0 && len(containers) == len(pod.Containers) {
			f.pods[types.NamespacedName{Namespace: pod.PodRef.Namespace, Name: pod.PodRef.Name}] = containers
		}
	}
	return f, nil
}

// usage says whether the kubelet knows it.
func (c consumption) usage() (usage, bool) {
	cpu, memory := c.CPU.UsageNanoCores, c.Memory.WorkingSetBytes
	if cpu == nil || memory == nil || *cpu > math.MaxInt64 || *memory > math.MaxInt64 || c.CPU.Time.IsZero() {
		return usage{}, false
	}
	return usage{at: c.CPU.Time, cpu: int64(*cpu), memory: int64(*memory)}, true
}

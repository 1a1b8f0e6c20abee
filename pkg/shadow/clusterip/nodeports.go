// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// portAttempts is how often ports are chosen again because another coordinator
// was quicker. Each time it has to be quicker in the few milliseconds between
// listing and recording.
const portAttempts = 16

var healthCheckPath = specPath.Child("healthCheckNodePort")

// portWish is a node port that a Service is to get, and where it is written to.
type portWish struct {
	asked int32 // 0 means any
	path  *field.Path
	// into are the fields that get it: ports of the same number in several
	// protocols share one.
	into []*int32
}

// giveNodePorts completes node ports and the health check's.
func (a *Allocator) giveNodePorts(ctx context.Context, service, old *corev1.Service, c *claim) error {
	service.Spec.Ports = slices.Clone(service.Spec.Ports) // may be the stored object's
	wishes, err := portWishes(service, old)
	if err != nil || len(wishes) == 0 {
		return err
	}
	if err := a.checkAsked(service, wishes); err != nil {
		return err
	}
	for range portAttempts {
		given, err := a.tryNodePorts(ctx, service, wishes, c)
		if err != nil {
			return err
		}
		if given == nil {
			continue
		}
		for i, wish := range wishes {
			for _, field := range wish.into {
				*field = given[i]
			}
		}
		return nil
	}
	return apierrors.NewTooManyRequests("other coordinators of the pool were quicker to take node ports; try again", 1)
}

// portWishes says what ports a Service needs beside those it has.
func portWishes(service, old *corev1.Service) ([]portWish, error) {
	var wishes []portWish
	var err error
	switch {
	case !mayHaveNodePorts(service):
	case old == nil:
		wishes, err = wishesOfNew(service)
	default:
		wishes = wishesOfChanged(service, old)
	}
	if err == nil && needsHealthCheckPort(service) && (old == nil || !needsHealthCheckPort(old)) {
		port := &service.Spec.HealthCheckNodePort
		wishes = append(wishes, portWish{asked: *port, path: healthCheckPath, into: []*int32{port}})
	}
	return wishes, err
}

// wishesOfNew has ports of the same number share a node port: that which one of
// them asks for, if one does.
func wishesOfNew(service *corev1.Service) ([]portWish, error) {
	var wishes []portWish
	shared := map[int32]int{} // from port to index of wish
	for i := range service.Spec.Ports {
		port := &service.Spec.Ports[i]
		if port.NodePort == 0 && !needsNodePorts(service) {
			continue
		}
		path := specPath.Child("ports").Index(i).Child("nodePort")
		asked := port.NodePort
		if at, ok := shared[port.Port]; ok && (asked == 0 || asked == wishes[at].asked) {
			wishes[at].into = append(wishes[at].into, &port.NodePort)
			continue
		}
		if asked == 0 {
			asked = askedForSame(service.Spec.Ports, port.Port)
		}
		if asked != 0 && slices.ContainsFunc(wishes, func(w portWish) bool { return w.asked == asked }) {
			return nil, invalid(service, field.ErrorList{field.Duplicate(path, asked)})
		}
		if _, ok := shared[port.Port]; !ok {
			shared[port.Port] = len(wishes)
		}
		wishes = append(wishes, portWish{asked: asked, path: path, into: []*int32{&port.NodePort}})
	}
	return wishes, nil
}

func askedForSame(ports []corev1.ServicePort, number int32) int32 {
	for i := range ports {
		if ports[i].Port == number && ports[i].NodePort != 0 {
			return ports[i].NodePort
		}
	}
	return 0
}

// wishesOfChanged gives each port that has none its own, as the kube-apiserver does.
func wishesOfChanged(service, old *corev1.Service) []portWish {
	var wishes []portWish
	has := sets.New[int32]()
	for i := range old.Spec.Ports {
		has.Insert(old.Spec.Ports[i].NodePort)
	}
	for i := range service.Spec.Ports {
		port := &service.Spec.Ports[i]
		if port.NodePort == 0 && !needsNodePorts(service) || port.NodePort != 0 && has.Has(port.NodePort) {
			continue
		}
		has.Insert(port.NodePort)
		wishes = append(wishes, portWish{asked: port.NodePort, path: specPath.Child("ports").Index(i).Child("nodePort"), into: []*int32{&port.NodePort}})
	}
	return wishes
}

// checkAsked says which ports can never be given here.
func (a *Allocator) checkAsked(service *corev1.Service, wishes []portWish) error {
	ports := a.config.NodePorts
	var errs field.ErrorList
	for _, wish := range wishes {
		switch {
		case ports.Size == 0:
			errs = append(errs, field.Forbidden(wish.path, "the pool has no range of node ports of its own: create the Service in the cloud, or give the pool a range"))
		case wish.asked != 0 && !ports.Contains(int(wish.asked)):
			errs = append(errs, field.Invalid(wish.path, wish.asked, fmt.Sprintf("must be within the pool's own range %s: others are given in the cloud", ports)))
		}
	}
	if len(errs) > 0 {
		return invalid(service, errs)
	}
	return nil
}

// tryNodePorts chooses a port for each wish and records them all at once. It
// returns nil if another coordinator was quicker.
func (a *Allocator) tryNodePorts(ctx context.Context, service *corev1.Service, wishes []portWish, c *claim) ([]int32, error) {
	inUse, err := a.inUse(ctx, c)
	if err != nil {
		return nil, err
	}
	records, err := a.ports.list(ctx)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	// What the Service has left behind, see leftBehind, is free for it.
	taken := inUse.ports.Clone()
	var left []int32
	for port, record := range records {
		switch {
		case taken.Has(port):
		case record.owner == c.owner && a.config.NodePorts.Contains(int(port)):
			left = append(left, port)
		default:
			taken.Insert(port)
		}
	}
	for _, wish := range wishes {
		if wish.asked == 0 {
			continue
		}
		if taken.Has(wish.asked) {
			return nil, invalid(service, field.ErrorList{field.Invalid(wish.path, wish.asked, "is in use")})
		}
		taken.Insert(wish.asked)
	}
	left = slices.DeleteFunc(left, taken.Has) // asked for
	taken.Insert(left...)
	free := append(left, freePorts(a.config.NodePorts, taken.Has)...)
	ports := make([]int32, len(wishes))
	for i, wish := range wishes {
		switch {
		case wish.asked != 0:
			ports[i] = wish.asked
		case len(free) == 0:
			return nil, apierrors.NewInternalError(fmt.Errorf("no node port of the pool's range %s is free: delete Services, or give the pool a larger range", a.config.NodePorts))
		default:
			ports[i], free = free[0], free[1:]
		}
	}
	if c.dryRun {
		return ports, nil
	}
	made, ok, err := a.ports.create(ctx, c.owner, ports, records)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if !ok {
		return nil, nil
	}
	for _, record := range made {
		if records[record.port].revision == 0 {
			c.ports = append(c.ports, record)
		}
	}
	return ports, nil
}

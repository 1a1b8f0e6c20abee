// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package storageclaim ties a cluster to the storage that holds its objects.
//
// A server whose volume got lost, whose pod has moved to another machine, or
// that was pointed at another etcd finds nothing. Served from there, every node
// pool would seem to have been deleted, and controllers would act on it. So the
// first server writes the identity of its storage into a ConfigMap, and no other
// storage is served from after that until somebody says so by deleting the
// ConfigMap.
package storageclaim

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// ErrOtherStorage says that the cluster's objects are elsewhere.
var ErrOtherStorage = errors.New("this cluster's objects are in other storage")

const (
	keyClusterID = "clusterID"
	keyLocation  = "location"
)

// Claim is a server's claim to hold a cluster's objects.
type Claim struct {
	// Namespace and Name name the ConfigMap.
	Namespace, Name string
	// ClusterID identifies the etcd cluster.
	ClusterID string
	// Location says where it is, for a person to read.
	Location string
}

// Make writes the claim if there is none yet, and fails with ErrOtherStorage if
// there is one for another storage.
func (c Claim) Make(ctx context.Context, client kubernetes.Interface) error {
	configMaps := client.CoreV1().ConfigMaps(c.Namespace)
	claimed, err := configMaps.Get(ctx, c.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		claimed, err = configMaps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: c.Name},
			Data:       map[string]string{keyClusterID: c.ClusterID, keyLocation: c.Location},
		}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			claimed, err = configMaps.Get(ctx, c.Name, metav1.GetOptions{})
		}
		if err == nil {
			klog.FromContext(ctx).V(2).Info("Recorded which storage holds this cluster's objects", "configMap", klog.KObj(claimed), "clusterID", c.ClusterID)
		}
	}
	if err != nil {
		return fmt.Errorf("reading ConfigMap %s/%s, which says where this cluster's objects are: %w", c.Namespace, c.Name, err)
	}
	if id := claimed.Data[keyClusterID]; id != c.ClusterID {
		return fmt.Errorf("%w (etcd cluster %s, in %s) than %s (etcd cluster %s): "+
			"bring that back, or, to go on with this one and lose what the other held, delete ConfigMap %s/%s",
			ErrOtherStorage, id, claimed.Data[keyLocation], c.Location, c.ClusterID, c.Namespace, c.Name)
	}
	return nil
}

// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package storageclaim ties a cluster to the data directory that holds its
// objects.
//
// A server with an embedded etcd whose volume got lost, or whose pod has moved
// to another machine, finds an empty directory. Served from there, every node
// pool would seem to have been deleted, and controllers would act on it. So the
// first server writes the identity of its data into a ConfigMap, and no other
// data is served after that until somebody says so by deleting the ConfigMap.
package storageclaim

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

const (
	keyClusterID = "clusterID"
	keyDirectory = "directory"
	keyHost      = "host"
)

// Claim is one server's claim to hold a cluster's objects.
type Claim struct {
	// Namespace and Name name the ConfigMap.
	Namespace, Name string
	// ClusterID identifies the data.
	ClusterID string
	// Directory and Host say where it is, for a person to read.
	Directory, Host string
}

// Make writes the claim if there is none yet, and fails if other data has been
// claimed before.
func (c Claim) Make(ctx context.Context, client kubernetes.Interface) error {
	configMaps := client.CoreV1().ConfigMaps(c.Namespace)
	claimed, err := configMaps.Get(ctx, c.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		claimed, err = configMaps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: c.Name},
			Data:       map[string]string{keyClusterID: c.ClusterID, keyDirectory: c.Directory, keyHost: c.Host},
		}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			claimed, err = configMaps.Get(ctx, c.Name, metav1.GetOptions{})
		}
		if err == nil {
			klog.FromContext(ctx).V(2).Info("Recorded which data directory holds this cluster's objects", "configMap", klog.KObj(claimed), "clusterID", c.ClusterID)
		}
	}
	if err != nil {
		return fmt.Errorf("reading ConfigMap %s/%s, which says what data this cluster's objects are in: %w", c.Namespace, c.Name, err)
	}
	if id := claimed.Data[keyClusterID]; id != c.ClusterID {
		return fmt.Errorf("this cluster's objects are in other data (etcd cluster %s, last known in %s on %s) than that in %s on %s (etcd cluster %s): "+
			"bring that directory back, or, to go on with this one and lose what the other held, delete ConfigMap %s/%s",
			id, claimed.Data[keyDirectory], claimed.Data[keyHost], c.Directory, c.Host, c.ClusterID, c.Namespace, c.Name)
	}
	return nil
}

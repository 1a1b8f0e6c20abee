// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	mutatingadmissionpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/storageclaim"
)

// untilAnswered does something that needs the kube-apiserver, or an external etcd,
// until that answers. After a power cut all start together, and a kube-apiserver
// forbids everything until it has read its roles; ending instead would have the
// kubelet wait longer and longer between starts.
func untilAnswered(ctx context.Context, what string, do func(context.Context) error) error {
	const period = time.Second
	var last error
	err := wait.PollUntilContextCancel(ctx, period, true, func(ctx context.Context) (bool, error) {
		err := do(ctx)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, storageclaim.ErrOtherStorage), errors.Is(err, errCustomResources):
			return false, err
		case last == nil || last.Error() != err.Error():
			klog.FromContext(ctx).Info("Waiting for an answer that the start needs", "to", what, "err", err)
		}
		last = err
		return false, nil
	})
	if err != nil && wait.Interrupted(err) {
		return fmt.Errorf("%s: %w", what, errors.Join(err, last))
	}
	return err
}

// claimStorage makes sure that the storage is the one with this cluster's
// objects.
func claimStorage(ctx context.Context, o *Options, storage *apiserver.Storage, client kubernetes.Interface) error {
	location := storage.Location()
	if o.Server.Storage.Embedded() {
		host := os.Getenv("NODE_NAME") // the manifests set it
		if host == "" {
			host, _ = os.Hostname() // only for a person to read
		}
		location += " on " + host
	}
	return untilAnswered(ctx, "claim the storage", func(ctx context.Context) error {
		id, err := storage.ClusterID(ctx)
		if err != nil {
			return err
		}
		claim := storageclaim.Claim{
			Namespace: o.WorkingNamespace,
			Name:      o.ServiceName + "-storage",
			ClusterID: id,
			Location:  location,
		}
		return claim.Make(ctx, client)
	})
}

// errCustomResources says that the cluster has our kinds as custom resources.
var errCustomResources = errors.New("this cluster has NodePools as custom resources, as OpenYurt does (CustomResourceDefinition nodepools.apps.openyurt.io): " +
	"serving an empty set of them instead would make nodes lose what their pools gave them; docs/install.md says how to bring them over")

// refuseCustomResources keeps us from serving beside the same kinds of OpenYurt.
func refuseCustomResources(ctx context.Context, client metadata.Interface) error {
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	return untilAnswered(ctx, "look for custom resources", func(ctx context.Context) error {
		_, err := client.Resource(crds).Get(ctx, "nodepools.apps.openyurt.io", metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err == nil:
			return errCustomResources
		default:
			return err
		}
	})
}

// disableMissingAdmission turns off the admission plugins whose API the
// kube-apiserver is too old for: waiting for its objects, the server would never
// become ready.
func disableMissingAdmission(ctx context.Context, options *genericoptions.AdmissionOptions, client discovery.DiscoveryInterface) error {
	return untilAnswered(ctx, "look for admission APIs", func(ctx context.Context) error {
		resources, err := client.ServerResourcesForGroupVersion("admissionregistration.k8s.io/v1")
		if err != nil {
			return err
		}
		has := slices.ContainsFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Name == "mutatingadmissionpolicies" })
		if plugin := mutatingadmissionpolicy.PluginName; !has && !slices.Contains(options.DisablePlugins, plugin) {
			klog.FromContext(ctx).Info("Went without an admission plugin, as the kube-apiserver is too old for it", "plugin", plugin)
			options.DisablePlugins = append(options.DisablePlugins, plugin)
		}
		return nil
	})
}

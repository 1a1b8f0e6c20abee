// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// The resources that are divided up among nodes, or whose writes are looked at.
var (
	pods                       = corev1.Resource("pods")
	nodes                      = corev1.Resource("nodes")
	secrets                    = corev1.Resource("secrets")
	configMaps                 = corev1.Resource("configmaps")
	serviceAccounts            = corev1.Resource("serviceaccounts")
	volumes                    = corev1.Resource("persistentvolumes")
	volumeClaims               = corev1.Resource("persistentvolumeclaims")
	leases                     = coordinationv1.Resource("leases")
	attachments                = storagev1.Resource("volumeattachments")
	csiNodes                   = storagev1.Resource("csinodes")
	resourceClaims             = resourcev1.Resource("resourceclaims")
	resourceSlices             = resourcev1.Resource("resourceslices")
	certificateSigningRequests = certificatesv1.Resource("certificatesigningrequests")
	podCertificateRequests     = certificatesv1.Resource("podcertificaterequests")
)

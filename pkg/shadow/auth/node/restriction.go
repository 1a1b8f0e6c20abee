// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// RestrictionName is the name of the admission plugin, the same as kube-apiserver's.
const RestrictionName = "NodeRestriction"

// Getters read objects that a kubelet's writes are compared with. They return API
// errors, NotFound among them. All are needed. They are asked on writes of kubelets
// only, but for every one of some kinds, so they should answer from memory. What
// they return is not changed.
type Getters struct {
	Pod       func(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	Node      func(ctx context.Context, name string) (*corev1.Node, error)
	Claim     func(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error)
	Volume    func(ctx context.Context, name string) (*corev1.PersistentVolume, error)
	CSIDriver func(ctx context.Context, name string) (*storagev1.CSIDriver, error)
}

// Restriction is the admission plugin that keeps kubelets from writing what is not
// their own. Other users are none of its business. Like kube-apiserver's it looks
// at what the kubelet sent, so it admits rather than validates, and belongs before
// plugins that change objects. It expects the types of k8s.io/api.
type Restriction struct {
	*admission.Handler
	authorizer authorizer.Authorizer
	get        Getters
}

var _ admission.MutationInterface = (*Restriction)(nil)

// NewRestriction returns the plugin. The authorizer, the one that requests are
// authorized with, is asked whether a kubelet may have tokens for audiences that no
// volume of the pod names.
func NewRestriction(authorizer authorizer.Authorizer, get Getters) *Restriction {
	return &Restriction{
		Handler:    admission.NewHandler(admission.Create, admission.Update, admission.Delete),
		authorizer: authorizer,
		get:        get,
	}
}

// Admit implements admission.MutationInterface. It changes nothing.
func (r *Restriction) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	node, isKubelet := identify(a.GetUserInfo())
	if !isKubelet {
		return nil
	}
	if node == "" {
		return admission.NewForbidden(a, fmt.Errorf("user %q does not say of which node it is the kubelet", a.GetUserInfo().GetName()))
	}
	err := r.check(ctx, node, a)
	// A kubelet must be able to tell that a pod or node is gone.
	if err == nil || apierrors.IsNotFound(err) {
		return err
	}
	return admission.NewForbidden(a, err)
}

func (r *Restriction) check(ctx context.Context, node string, a admission.Attributes) error {
	switch a.GetResource().GroupResource() {
	case pods:
		return r.checkPod(ctx, node, a)
	case nodes:
		return checkNode(node, a)
	case volumeClaims:
		return checkClaim(node, a)
	case serviceAccounts:
		return r.checkServiceAccount(ctx, node, a)
	case leases:
		if a.GetNamespace() != corev1.NamespaceNodeLease {
			return fmt.Errorf("a kubelet may only write leases in the namespace %q", corev1.NamespaceNodeLease)
		}
		if _, ok := a.GetObject().(*coordinationv1.Lease); !ok && a.GetOperation() == admission.Create {
			return unexpectedType(a.GetObject())
		}
		return checkOwn(node, a)
	case csiNodes:
		return checkOwn(node, a)
	case resourceSlices:
		return checkSlice(node, a)
	case certificateSigningRequests:
		return checkSigningRequest(node, a)
	case podCertificateRequests:
		return errors.New("kubelets do not use PodCertificateRequests: their feature gate is off")
	default:
		return nil
	}
}

// checkOwn wants the object to have the node's name.
func checkOwn(node string, a admission.Attributes) error {
	name := a.GetName()
	if a.GetOperation() == admission.Create {
		// The request does not name what it creates.
		created, err := meta.Accessor(a.GetObject())
		if err != nil {
			return unexpectedType(a.GetObject())
		}
		name = created.GetName()
	}
	if name != node {
		return fmt.Errorf("node %q may only write %s of its own name", node, a.GetResource().Resource)
	}
	return nil
}

// checkSlice checks what the authorizer cannot see: whose slice is created, and
// which ones a deletion of many hits.
func checkSlice(node string, a admission.Attributes) error {
	object := a.GetObject()
	switch a.GetOperation() {
	case admission.Create:
	case admission.Delete:
		object = a.GetOldObject()
	default:
		return nil
	}
	slice, ok := object.(*resourcev1.ResourceSlice)
	if !ok {
		return unexpectedType(object)
	}
	if slice.Spec.NodeName == nil || *slice.Spec.NodeName != node {
		return fmt.Errorf("node %q may only create and delete resourceslices whose spec.nodeName is itself", node)
	}
	return nil
}

// checkSigningRequest keeps kubelets from asking for certificates of other nodes.
// The signers check the rest.
func checkSigningRequest(node string, a admission.Attributes) error {
	if a.GetOperation() != admission.Create {
		return nil
	}
	request, ok := a.GetObject().(*certificatesv1.CertificateSigningRequest)
	if !ok {
		return unexpectedType(a.GetObject())
	}
	switch request.Spec.SignerName {
	case certificatesv1.KubeletServingSignerName, certificatesv1.KubeAPIServerClientKubeletSignerName:
	default:
		return nil
	}
	block, _ := pem.Decode(request.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return errors.New("spec.request must be a PEM-encoded CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return fmt.Errorf("spec.request: %w", err)
	}
	if csr.Subject.CommonName != userPrefix+node {
		return fmt.Errorf("node %q may only ask for certificates with the common name %q", node, userPrefix+node)
	}
	return nil
}

func unexpectedType(object any) error {
	return fmt.Errorf("a %T was not expected here", object)
}

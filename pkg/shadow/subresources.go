// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/steppe-io/steppe/pkg/apiserver"
	appsregistry "github.com/steppe-io/steppe/pkg/registry/apps"
	"github.com/steppe-io/steppe/pkg/shadow/auth/serviceaccount"
	"github.com/steppe-io/steppe/pkg/shadow/builtin"
	"github.com/steppe-io/steppe/pkg/shadow/kubelet"
	"github.com/steppe-io/steppe/pkg/shadow/resourcemetrics"
	"github.com/steppe-io/steppe/pkg/shadow/review"
)

// serveSubresources adds what is not kept in the storage: reviews, tokens, ways to
// kubelets and pods, and what kubelets measure. The caller closes the ways.
func (c *Config) serveSubresources(resources *builtin.Resources, objects objects, generic *genericapiserver.RecommendedConfig, identities *identities) (*kubelet.Connector, error) {
	for path, storage := range review.Authentication(identities.authenticator.Token, identities.audiences) {
		resources.Add(authenticationv1.SchemeGroupVersion, path, storage)
	}
	for path, storage := range review.Authorization(generic.Authorization.Authorizer, generic.RuleResolver) {
		resources.Add(authorizationv1.SchemeGroupVersion, path, storage)
	}
	tokens := serviceaccount.NewTokenREST(identities.issuer, identities.audiences, objects.accounts().Live())
	resources.Add(corev1.SchemeGroupVersion, "serviceaccounts/token", tokens)

	connector, err := kubelet.NewConnector(c.Kubelet,
		clusterReader[*corev1.Node](objects, corev1.Resource("nodes"), anyVersion),
		reader[*corev1.Pod](objects, corev1.Resource("pods"), ""))
	if err != nil {
		return nil, err
	}
	services := reader[*corev1.Service](objects, corev1.Resource("services"), anyVersion)
	for path, storage := range map[string]rest.Storage{
		"pods/log":         kubelet.NewLogREST(connector),
		"pods/exec":        kubelet.NewExecREST(connector, generic.Authorization.Authorizer),
		"pods/attach":      kubelet.NewAttachREST(connector, generic.Authorization.Authorizer),
		"pods/portforward": kubelet.NewPortForwardREST(connector, generic.Authorization.Authorizer),
		"pods/proxy":       kubelet.NewPodProxyREST(connector),
		"nodes/proxy":      kubelet.NewNodeProxyREST(connector),
		"services/proxy":   kubelet.NewServiceProxyREST(connector, services, objects.endpointSlices),
	} {
		resources.Add(corev1.SchemeGroupVersion, path, storage)
	}
	for path, storage := range resourcemetrics.Storage(connector.Get, resources.Store(corev1.Resource("nodes")), resources.Store(corev1.Resource("pods"))) {
		resources.Add(metricsv1beta1.SchemeGroupVersion, path, storage)
	}
	return connector, nil
}

// ownGroups are Steppe's.
func ownGroups(api apiserver.API, objects objects) []apiserver.Group {
	return []apiserver.Group{
		func(storage generic.RESTOptionsGetter) (*genericapiserver.APIGroupInfo, error) {
			return appsregistry.NewGroup(api.Scheme, api.Codecs, storage, objects)
		},
	}
}

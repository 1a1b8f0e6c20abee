// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/kube-openapi/pkg/common"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/apis/apps/install"
	"github.com/steppe-io/steppe/generated/openapi"
	"github.com/steppe-io/steppe/generated/openapi/builtin"
	"github.com/steppe-io/steppe/pkg/apiserver"
	appsregistry "github.com/steppe-io/steppe/pkg/registry/apps"
	resources "github.com/steppe-io/steppe/pkg/shadow/builtin"
	"github.com/steppe-io/steppe/pkg/shadow/defaulting"
	"github.com/steppe-io/steppe/pkg/shadow/kubelet"
	"github.com/steppe-io/steppe/pkg/shadow/resourcemetrics"
	"github.com/steppe-io/steppe/pkg/shadow/scheme"
)

// NewAPI says what the server serves, but for the groups: their storage follows.
func NewAPI() apiserver.API {
	types := apiserver.NewScheme(scheme.AddBuiltin, install.Install)
	utilruntime.Must(defaulting.AddToScheme(types))
	utilruntime.Must(resources.AddFieldLabels(types))
	utilruntime.Must(kubelet.AddConversions(types))
	utilruntime.Must(resourcemetrics.AddToScheme(types))
	return apiserver.API{
		Title:           "Steppe pool",
		Scheme:          types,
		Names:           apiserver.NewScheme(scheme.AddVersions, resourcemetrics.AddVersion, install.Install),
		Codecs:          serializer.NewCodecFactory(types, serializer.WithStreamingCollectionEncodingToJSON(), serializer.WithStreamingCollectionEncodingToProtobuf()),
		Definitions:     definitions,
		Keys:            resources.Keys(),
		WithoutProtobuf: []string{apps.GroupName},
		Deprecated:      appsregistry.Deprecated,
	}
}

// definitions are those of Kubernetes' types and of ours.
func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := builtin.GetOpenAPIDefinitions(ref)
	maps.Copy(all, openapi.GetOpenAPIDefinitions(ref))
	return all
}

// OpenResources opens the stores of Kubernetes' own resources while no server runs.
// The caller destroys them.
func OpenResources(storage *apiserver.Storage) (*resources.Resources, error) {
	api := NewAPI()
	objects, err := storage.Objects(api)
	if err != nil {
		return nil, err
	}
	return resources.New(resources.Config{Scheme: api.Scheme, Codecs: api.Codecs, Storage: objects})
}

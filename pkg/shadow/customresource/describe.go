// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package customresource

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emicklei/go-restful/v3"
	apihelpers "k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kube-openapi/pkg/builder3"
	"k8s.io/kube-openapi/pkg/common/restfuladapter"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/steppe-io/steppe/pkg/openapi"
)

// servedVersion is a version of a definition's resource that is served.
type servedVersion struct {
	definition *apiextensionsv1.CustomResourceDefinition
	name       string
}

// Describe returns what there is to say of definitions and custom resources in
// OpenAPI documents.
func (s *Server) Describe() openapi.More {
	groups := s.describeDefinitions()
	versions := s.versions()
	for path, list := range versions {
		groups[path] = openapi.Group{Version: generations(list), Build: func() (*spec3.OpenAPI, error) { return describe(list) }}
	}
	return openapi.More{
		Groups: groups,
		Merge: func(static *spec.Swagger) (*spec.Swagger, error) {
			var all []*spec.Swagger
			for _, path := range slices.Sorted(maps.Keys(versions)) {
				for _, v := range versions[path] {
					swagger, err := builder.BuildOpenAPIV2(v.definition, v.name, builder.Options{V2: true, IncludeSelectableFields: true})
					if err != nil {
						return nil, err
					}
					swagger.Definitions = handler.PruneDefaults(swagger.Definitions)
					all = append(all, swagger)
				}
			}
			return builder.MergeSpecs(static, all...)
		},
	}
}

// describeDefinitions returns the group of the definitions themselves.
func (s *Server) describeDefinitions() map[string]openapi.Group {
	groups := map[string]openapi.Group{}
	for _, service := range s.GenericAPIServer.Handler.GoRestfulContainer.RegisteredWebServices() {
		path := strings.TrimPrefix(service.RootPath(), "/")
		if path != "apis/"+apiextensionsv1.SchemeGroupVersion.String() {
			continue
		}
		groups[path] = openapi.Group{Build: func() (*spec3.OpenAPI, error) {
			return builder3.BuildOpenAPISpecFromRoutes(restfuladapter.AdaptWebServices([]*restful.WebService{service}), s.openAPI)
		}}
	}
	return groups
}

// versions returns the served versions of established definitions, by the path of
// their group version.
func (s *Server) versions() map[string][]servedVersion {
	definitions, err := s.Informers.Apiextensions().V1().CustomResourceDefinitions().Lister().List(labels.Everything())
	if err != nil {
		return nil // a lister of a cache has no errors
	}
	slices.SortFunc(definitions, func(a, b *apiextensionsv1.CustomResourceDefinition) int { return cmp.Compare(a.Name, b.Name) })
	versions := map[string][]servedVersion{}
	for _, d := range definitions {
		if !apihelpers.IsCRDConditionTrue(d, apiextensionsv1.Established) {
			continue
		}
		for _, v := range d.Spec.Versions {
			if v.Served {
				path := "apis/" + d.Spec.Group + "/" + v.Name
				versions[path] = append(versions[path], servedVersion{d, v.Name})
			}
		}
	}
	return versions
}

// generations tells documents of the same path apart.
func generations(list []servedVersion) string {
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%s/%d ", v.definition.UID, v.definition.Generation)
	}
	return b.String()
}

func describe(list []servedVersion) (*spec3.OpenAPI, error) {
	parts := make([]*spec3.OpenAPI, 0, len(list))
	for _, v := range list {
		part, err := builder.BuildOpenAPIV3(v.definition, v.name, builder.Options{V2: false, IncludeSelectableFields: true})
		if err != nil {
			return nil, fmt.Errorf("describing %s: %w", v.definition.Name, err)
		}
		parts = append(parts, part)
	}
	return builder.MergeSpecsV3(parts...)
}

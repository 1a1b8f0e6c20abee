// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package openapi serves the OpenAPI documents of an API server as k8s.io/kube-openapi
// does, for a server that has little memory: a document is built when it is asked
// for, is kept compressed, and what it was built from is let go. Left to
// k8s.io/apiserver, the documents of Kubernetes' own resources are built at each start
// and take 25 MB for good, on machines where nobody may ever ask for them.
package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emicklei/go-restful/v3"
	"k8s.io/kube-openapi/pkg/builder"
	"k8s.io/kube-openapi/pkg/builder3"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/common/restfuladapter"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Config says what there is to describe.
type Config struct {
	// V2 and V3 are the server's configurations.
	V2 *common.Config
	V3 *common.OpenAPIV3Config
	// Services returns the server's own web services, once it has all of them.
	Services func() []*restful.WebService
	// More returns what is served beside them at the moment. Nil if there is
	// nothing.
	More func() More
}

// More is what is described beside the server's own web services.
type More struct {
	// Groups are group versions by their paths, such as apis/example.com/v1.
	Groups map[string]Group
	// Merge puts it all into a document of version 2, which it may change.
	Merge func(*spec.Swagger) (*spec.Swagger, error)
}

// Group describes a group version.
type Group struct {
	// Version is another whenever Build returns another document.
	Version string
	// Build makes the document.
	Build func() (*spec3.OpenAPI, error)
}

// Documents are all documents of a server. Its methods may be called from any
// goroutine.
type Documents struct {
	config Config

	mu     sync.Mutex // guards the fields below; held while documents are built
	groups map[string]*document
	v2     *document
}

// New returns documents that are not built yet.
func New(config Config) *Documents {
	return &Documents{config: config, groups: map[string]*document{}}
}

// document is a built document.
type document struct {
	version  string
	etag     string
	built    time.Time
	json     []byte                            // compressed
	protobuf []byte                            // compressed, nil until it is asked for
	encode   func(json []byte) ([]byte, error) // makes protobuf of JSON
}

// paths returns what version 3 has documents of, by path, with their versions.
func (d *Documents) paths() map[string]Group {
	all := map[string]Group{}
	for _, service := range d.config.Services() {
		all[strings.TrimPrefix(service.RootPath(), "/")] = Group{Build: func() (*spec3.OpenAPI, error) {
			return builder3.BuildOpenAPISpecFromRoutes(restfuladapter.AdaptWebServices([]*restful.WebService{service}), d.config.V3)
		}}
	}
	maps.Copy(all, d.more().Groups)
	return all
}

func (d *Documents) more() More {
	if d.config.More == nil {
		return More{}
	}
	return d.config.More()
}

// group returns the document of a group version, nil if there is none.
func (d *Documents) group(path string) (*document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	group, ok := d.paths()[path]
	if !ok {
		delete(d.groups, path)
		return nil, nil
	}
	return d.groupLocked(path, group)
}

func (d *Documents) groupLocked(path string, group Group) (*document, error) {
	if doc := d.groups[path]; doc != nil && doc.version == group.Version {
		return doc, nil
	}
	built, err := group.Build()
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", path, err)
	}
	content, err := json.Marshal(built)
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", path, err)
	}
	doc, err := newDocument(group.Version, content, handler3.ToV3ProtoBinary)
	if err != nil {
		return nil, err
	}
	d.groups[path] = doc
	return doc, nil
}

// index returns the list of group versions.
func (d *Documents) index() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	index := handler3.OpenAPIV3Discovery{Paths: map[string]handler3.OpenAPIV3DiscoveryGroupVersion{}}
	paths := d.paths()
	for path, group := range paths {
		doc, err := d.groupLocked(path, group)
		if err != nil {
			return nil, err
		}
		index.Paths[path] = handler3.OpenAPIV3DiscoveryGroupVersion{ServerRelativeURL: relativeURL(path, doc.etag)}
	}
	maps.DeleteFunc(d.groups, func(path string, _ *document) bool {
		_, ok := paths[path]
		return !ok
	})
	return json.Marshal(index)
}

// whole returns the document of version 2.
func (d *Documents) whole() (*document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	more := d.more()
	var version strings.Builder
	for _, path := range slices.Sorted(maps.Keys(more.Groups)) {
		fmt.Fprintf(&version, "%s=%s\n", path, more.Groups[path].Version)
	}
	if d.v2 != nil && d.v2.version == version.String() {
		return d.v2, nil
	}
	swagger, err := builder.BuildOpenAPISpecFromRoutes(restfuladapter.AdaptWebServices(d.config.Services()), d.config.V2)
	if err != nil {
		return nil, fmt.Errorf("describing the API: %w", err)
	}
	swagger.Definitions = handler.PruneDefaults(swagger.Definitions)
	if more.Merge != nil {
		if swagger, err = more.Merge(swagger); err != nil {
			return nil, fmt.Errorf("describing the API: %w", err)
		}
	}
	content, err := swagger.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("describing the API: %w", err)
	}
	d.v2, err = newDocument(version.String(), content, handler.ToProtoBinary)
	return d.v2, err
}

func newDocument(version string, content []byte, encode func([]byte) ([]byte, error)) (*document, error) {
	compressed, err := compress(content)
	if err != nil {
		return nil, err
	}
	return &document{version: version, etag: etagOf(content), built: time.Now(), json: compressed, encode: encode}, nil
}

// inProtobuf returns the document in protobuf, compressed.
func (d *Documents) inProtobuf(doc *document) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if doc.protobuf != nil {
		return doc.protobuf, nil
	}
	content, err := expand(doc.json)
	if err != nil {
		return nil, err
	}
	encoded, err := doc.encode(content)
	if err != nil {
		return nil, fmt.Errorf("encoding an OpenAPI document in protobuf: %w", err)
	}
	doc.protobuf, err = compress(encoded)
	return doc.protobuf, err
}

func etagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func compress(content []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(out.Bytes()), nil // no larger than needed
}

func expand(content []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

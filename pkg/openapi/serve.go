// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package openapi

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/munnerz/goautoneg"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/common"
)

// The paths and media types are those of k8s.io/kube-openapi.
const (
	rootV2 = "/openapi/v2"
	rootV3 = "/openapi/v3"

	mediaJSON = "application/json"
	protoV2   = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
	protoV3   = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
	// Old clients ask for protobuf with an at sign, which is no media type.
	oldProtoV2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
	oldProtoV3 = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
)

// Install serves the documents.
func (d *Documents) Install(mux common.PathHandlerByGroupVersion) {
	mux.Handle(rootV2, http.HandlerFunc(d.serveV2))
	mux.Handle(rootV3, http.HandlerFunc(d.serveIndex))
	mux.HandlePrefix(rootV3+"/", http.HandlerFunc(d.serveGroup))
}

func (d *Documents) serveV2(w http.ResponseWriter, r *http.Request) {
	doc, err := d.whole()
	if err != nil {
		fail(w, r, err)
		return
	}
	d.serve(w, r, doc, protoV2, oldProtoV2)
}

func (d *Documents) serveIndex(w http.ResponseWriter, r *http.Request) {
	content, err := d.index()
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.Header().Set("Etag", strconv.Quote(etagOf(content)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func (d *Documents) serveGroup(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, rootV3+"/")
	doc, err := d.group(path)
	if err != nil {
		fail(w, r, err)
		return
	}
	if doc == nil {
		http.NotFound(w, r)
		return
	}
	if hash := r.URL.Query().Get("hash"); hash != "" {
		if hash != doc.etag {
			http.Redirect(w, r, relativeURL(path, doc.etag), http.StatusMovedPermanently)
			return
		}
		// Its address changes with the document.
		w.Header().Set("Cache-Control", "public, immutable")
		w.Header().Set("Expires", time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
	}
	d.serve(w, r, doc, protoV3, oldProtoV3)
}

// relativeURL is where a version of a document is.
func relativeURL(path, etag string) string {
	u := url.URL{Path: rootV3 + "/" + path, RawQuery: url.Values{"hash": {etag}}.Encode()}
	return u.String()
}

// serve sends a document in the form that the client likes best.
func (d *Documents) serve(w http.ResponseWriter, r *http.Request, doc *document, proto, oldProto string) {
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	var content []byte
	var err error
	switch media := negotiate(r.Header.Get("Accept"), mediaJSON, proto, oldProto); media {
	case "":
		w.WriteHeader(http.StatusNotAcceptable)
		return
	case mediaJSON:
		content = doc.json
		w.Header().Set("Content-Type", mediaJSON)
	default:
		content, err = d.inProtobuf(doc)
		w.Header().Set("Content-Type", proto)
	}
	if err == nil && !acceptsGzip(r) {
		content, err = expand(content)
	} else {
		w.Header().Set("Content-Encoding", "gzip")
	}
	if err != nil {
		w.Header().Del("Content-Encoding")
		fail(w, r, err)
		return
	}
	w.Header().Set("Etag", strconv.Quote(doc.etag))
	http.ServeContent(w, r, "", doc.built, bytes.NewReader(content))
}

// negotiate returns the media type of those offered that a client likes best, and
// of equals the first. It is empty if the client likes none.
func negotiate(accept string, offered ...string) string {
	if accept == "" {
		return offered[0]
	}
	for _, clause := range goautoneg.ParseAccept(accept) {
		for _, media := range offered {
			kind, sub, _ := strings.Cut(media, "/")
			if (clause.Type == kind || clause.Type == "*") && (clause.SubType == sub || clause.SubType == "*") {
				return media
			}
		}
	}
	return ""
}

func acceptsGzip(r *http.Request) bool {
	for _, clause := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(clause), ";")
		if name == "gzip" && strings.ReplaceAll(quality, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	klog.FromContext(r.Context()).Error(err, "Could not serve an OpenAPI document", "path", r.URL.Path)
	http.Error(w, "the document could not be made", http.StatusInternalServerError)
}

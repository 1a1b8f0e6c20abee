// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package openapi

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/emicklei/go-restful/v3"
	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// rig serves one group version of its own and those in more.
type rig struct {
	*httptest.Server
	more   More
	builds int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{}
	service := new(restful.WebService).Path("/apis/example.com/v1").Produces("application/json")
	service.Route(service.GET("things").To(func(*restful.Request, *restful.Response) {}).Operation("listThings").Returns(http.StatusOK, "OK", ""))
	info := &spec.Info{InfoProps: spec.InfoProps{Title: "test", Version: "1"}}
	none := func(common.ReferenceCallback) map[string]common.OpenAPIDefinition { return nil }
	documents := New(Config{
		V2:       &common.Config{Info: info, GetDefinitions: none},
		V3:       &common.OpenAPIV3Config{Info: info, GetDefinitions: none},
		Services: func() []*restful.WebService { return []*restful.WebService{service} },
		More:     func() More { return r.more },
	})
	paths := mux.NewPathRecorderMux("test")
	documents.Install(paths)
	r.Server = httptest.NewServer(paths)
	t.Cleanup(r.Close)
	return r
}

// serve has the rig serve another group version with a title.
func (r *rig) serve(version, title string) {
	r.more = More{
		Groups: map[string]Group{"apis/more.example.com/v1": {Version: version, Build: func() (*spec3.OpenAPI, error) {
			r.builds++
			return &spec3.OpenAPI{Version: "3.0.0", Info: &spec.Info{InfoProps: spec.InfoProps{Title: title, Version: "1"}}}, nil
		}}},
		Merge: func(s *spec.Swagger) (*spec.Swagger, error) {
			s.Info.Title = title
			return s, nil
		},
	}
}

// answer is a response whose body has been read.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
}

func (r *rig) get(t *testing.T, path string, header ...string) (answer, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(req) // no redirects
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Status, response.Header}, body
}

func (r *rig) index(t *testing.T) map[string]handler3.OpenAPIV3DiscoveryGroupVersion {
	t.Helper()
	_, body := r.get(t, "/openapi/v3")
	var index handler3.OpenAPIV3Discovery
	if err := json.Unmarshal(body, &index); err != nil {
		t.Fatal(err)
	}
	return index.Paths
}

func TestIndexLeadsToDocuments(t *testing.T) {
	r := newRig(t)
	r.serve("1", "more")
	index := r.index(t)
	if len(index) != 2 {
		t.Fatalf("the index has %v", index)
	}
	for path, entry := range index {
		response, body := r.get(t, entry.ServerRelativeURL)
		if response.StatusCode != http.StatusOK || response.Header.Get("Cache-Control") != "public, immutable" || !json.Valid(body) {
			t.Errorf("%s answered %s with %v: %s", path, response.Status, response.Header, body)
		}
	}
}

func TestDocumentIsBuiltOnceAndAgainWhenItChanges(t *testing.T) {
	r := newRig(t)
	r.serve("1", "before")
	before := r.index(t)["apis/more.example.com/v1"].ServerRelativeURL
	r.index(t)
	if r.builds != 1 {
		t.Errorf("it was built %d times", r.builds)
	}
	r.serve("2", "after")
	response, _ := r.get(t, before)
	if response.StatusCode != http.StatusMovedPermanently {
		t.Fatalf("the old address answers %s", response.Status)
	}
	_, body := r.get(t, response.Header.Get("Location"))
	if !strings.Contains(string(body), "after") {
		t.Errorf("the new address has %s", body)
	}
	r.more = More{}
	if response, _ := r.get(t, before); response.StatusCode != http.StatusNotFound {
		t.Errorf("what is served no more answers %s", response.Status)
	}
	if len(r.index(t)) != 1 {
		t.Error("the index has what is served no more")
	}
}

func TestWholeDocumentFollowsWhatIsServed(t *testing.T) {
	r := newRig(t)
	for _, title := range []string{"one", "two"} {
		r.serve(title, title)
		response, body := r.get(t, "/openapi/v2")
		if response.StatusCode != http.StatusOK || !strings.Contains(string(body), `"title":"`+title+`"`) || !strings.Contains(string(body), "/apis/example.com/v1/things") {
			t.Errorf("%s: %s", response.Status, body)
		}
		again, _ := r.get(t, "/openapi/v2", "If-None-Match", response.Header.Get("Etag"))
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("with its tag it answers %s", again.Status)
		}
	}
}

func TestFormsOfDocuments(t *testing.T) {
	r := newRig(t)
	const path = "/openapi/v3/apis/example.com/v1"
	cases := map[string]struct {
		accept, encoding string
		status           int
		contentType      string
	}{
		"nothing asked":    {"", "", 200, mediaJSON},
		"anything":         {"*/*", "identity", 200, mediaJSON},
		"compressed":       {"application/json", "gzip, deflate", 200, mediaJSON},
		"not compressed":   {"application/json", "gzip;q=0", 200, mediaJSON},
		"protobuf":         {protoV3, "", 200, protoV3},
		"protobuf of old":  {oldProtoV3 + ",application/json", "gzip", 200, protoV3},
		"nothing of these": {"text/html", "", 406, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			header := []string{"Accept-Encoding", c.encoding}
			if c.accept != "" {
				header = append(header, "Accept", c.accept)
			}
			response, body := r.get(t, path, header...)
			if response.StatusCode != c.status || response.Header.Get("Content-Type") != c.contentType {
				t.Fatalf("got %s of type %q", response.Status, response.Header.Get("Content-Type"))
			}
			if c.status != http.StatusOK {
				return
			}
			if compressed := strings.HasPrefix(c.encoding, "gzip") && !strings.Contains(c.encoding, "q=0"); compressed != (response.Header.Get("Content-Encoding") == "gzip") {
				t.Fatalf("encoding is %q", response.Header.Get("Content-Encoding"))
			} else if compressed {
				reader, err := gzip.NewReader(strings.NewReader(string(body)))
				if err == nil {
					body, err = io.ReadAll(reader)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if c.contentType == mediaJSON && !json.Valid(body) {
				t.Errorf("got %q", body)
			}
			if c.contentType == protoV3 {
				if err := proto.Unmarshal(body, &openapi_v3.Document{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestFailureIsToldWithoutDetails(t *testing.T) {
	r := newRig(t)
	r.more = More{Groups: map[string]Group{"apis/bad/v1": {Build: func() (*spec3.OpenAPI, error) { return nil, errors.New("secret") }}}}
	for _, path := range []string{"/openapi/v3", "/openapi/v3/apis/bad/v1"} {
		response, body := r.get(t, path)
		if response.StatusCode != http.StatusInternalServerError || strings.Contains(string(body), "secret") {
			t.Errorf("%s answered %s: %s", path, response.Status, body)
		}
	}
	if response, _ := r.get(t, "/openapi/v3/apis/example.com/v1"); response.StatusCode != http.StatusOK {
		t.Errorf("what is well answers %s", response.Status)
	}
}

// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/test/testcluster"
)

var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

// server reads from a real kube-apiserver.
type server struct {
	*http.Client
	url string
}

func newServer(t *testing.T) server {
	t.Helper()
	config := testcluster.Need(t, cluster).RESTConfig()
	config.QPS, config.Burst = -1, -1
	createObjects(t, config)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return server{Client: client, url: config.Host}
}

func (s server) get(t *testing.T, path, accept string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := s.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %s", path, response.Status, err, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// compare has an object printed by the server and by the convertor, and
// compares the tables. The object is what is at objectPath, which differs from
// tablePath where one object is served in two groups.
func (s server) compare(t *testing.T, columns Columns, tablePath, objectPath string, obj runtime.Object) {
	t.Helper()
	const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"
	// Ages change when a second begins. So a difference counts if it stays.
	const attempts = 10
	var diff string
	for range attempts {
		var theirs, ours metav1.Table
		s.get(t, objectPath, "application/json", obj)
		s.get(t, tablePath, asTable, &theirs)
		table, err := NewConvertor(columns).ConvertToTable(t.Context(), obj, &metav1.TableOptions{})
		if err != nil {
			t.Fatal(err)
		}
		throughJSON(t, table, &ours)
		for i := range theirs.Rows {
			if path.Base(tablePath) == "ipaddresses" || path.Base(path.Dir(tablePath)) == "ipaddresses" {
				theirs.Rows[i].Cells = theirs.Rows[i].Cells[:2] // a cell without a column
			}
		}
		if diff = cmp.Diff(theirs, ours,
			cmpopts.IgnoreFields(metav1.TableColumnDefinition{}, "Description"),
			cmpopts.IgnoreFields(metav1.Table{}, "TypeMeta"),
			// Some objects change all the time.
			cmpopts.IgnoreFields(metav1.ListMeta{}, "ResourceVersion"),
			cmp.Transformer("objectName", objectName),
		); diff == "" {
			return
		}
	}
	t.Errorf("%s differs from kube-apiserver's (-theirs +ours):\n%s", tablePath, diff)
}

func throughJSON(t *testing.T, from, into any) {
	t.Helper()
	raw, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func objectName(raw runtime.RawExtension) string {
	var obj metav1.PartialObjectMetadata
	if err := json.Unmarshal(raw.Raw, &obj); err != nil {
		return err.Error()
	}
	return obj.Namespace + "/" + obj.Name
}

func TestTablesAreThoseOfKubeAPIServer(t *testing.T) {
	s := newServer(t)
	for _, r := range resources {
		t.Run(r.name, func(t *testing.T) {
			root := "/apis/" + r.group.String()
			if r.group.Group == "" {
				root = "/api/" + r.group.Version
			}
			s.compare(t, r.columns, root+"/"+r.name, root+"/"+r.name, r.list)
			items, err := meta.ExtractList(r.list)
			if err != nil {
				t.Fatal(err)
			}
			if len(items) == 0 {
				t.Fatal("nothing to compare: testdata needs an object")
			}
			for _, item := range items {
				m, err := meta.Accessor(item)
				if err != nil {
					t.Fatal(err)
				}
				path := root + "/" + r.name + "/" + m.GetName()
				if m.GetNamespace() != "" {
					path = fmt.Sprintf("%s/namespaces/%s/%s/%s", root, m.GetNamespace(), r.name, m.GetName())
				}
				s.compare(t, r.columns, path, path, item)
			}
		})
	}
}

func TestEventsOfBothGroupsHaveTheSameTable(t *testing.T) {
	s := newServer(t)
	for _, r := range resources {
		if r.name == "events" {
			s.compare(t, Events, "/apis/events.k8s.io/v1/events", "/api/v1/events", r.list.DeepCopyObject())
		}
	}
}

func TestScaleIsPrintedAsKubeAPIServerDoes(t *testing.T) {
	s := newServer(t)
	path := "/apis/apps/v1/namespaces/default/deployments/web/scale"
	s.compare(t, Deployments, path, path, &autoscalingv1.Scale{})
}

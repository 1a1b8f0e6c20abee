// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// excessTimeout bounds the answer to a request that is too much.
	excessTimeout = 30 * time.Second

	// excessMiB bounds by how much such a request may have the server grow, at its
	// peak.
	excessMiB = 160
)

// excess is a request that is too much in some way.
type excess struct {
	name, method string
	// path is below that of the ConfigMaps of a namespace, unless it begins with a
	// slash. %s is the namespace.
	path        string
	contentType string
	header      map[string]string
	body        func() []byte
	// status is the answer, reason that of the Status, empty if there is none.
	status int
	reason metav1.StatusReason
}

const (
	jsonType     = "application/json"
	yamlType     = "application/yaml"
	protobufType = "application/vnd.kubernetes.protobuf"
	patchType    = "application/json-patch+json"
	mergeType    = "application/merge-patch+json"
	smpType      = "application/strategic-merge-patch+json"
	applyType    = "application/apply-patch+yaml"
)

var excesses = []excess{
	{name: "object of 20 MB", method: http.MethodPost, contentType: jsonType, status: http.StatusRequestEntityTooLarge, reason: metav1.StatusReasonRequestEntityTooLarge,
		body: func() []byte { return configMapOf(`"data":{"a":"` + strings.Repeat("x", 20<<20) + `"}`) }},
	{name: "object of 20 MB in protobuf", method: http.MethodPost, contentType: protobufType, status: http.StatusRequestEntityTooLarge, reason: metav1.StatusReasonRequestEntityTooLarge,
		body: func() []byte { return append([]byte("k8s\x00"), make([]byte, 20<<20)...) }},
	{name: "update of 20 MB", method: http.MethodPut, path: "/target", contentType: jsonType, status: http.StatusRequestEntityTooLarge, reason: metav1.StatusReasonRequestEntityTooLarge,
		body: func() []byte { return configMapOf(`"data":{"a":"` + strings.Repeat("x", 20<<20) + `"}`) }},
	{name: "patch of 20 MB", method: http.MethodPatch, path: "/target", contentType: mergeType, status: http.StatusRequestEntityTooLarge, reason: metav1.StatusReasonRequestEntityTooLarge,
		body: func() []byte { return []byte(`{"data":{"a":"` + strings.Repeat("x", 20<<20) + `"}}`) }},
	{name: "delete options of 20 MB", method: http.MethodDelete, path: "/target", contentType: jsonType, status: http.StatusRequestEntityTooLarge, reason: metav1.StatusReasonRequestEntityTooLarge,
		body: func() []byte {
			return []byte(`{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["` + strings.Repeat("x", 20<<20) + `"]}`)
		}},
	{name: "object of 2 MB", method: http.MethodPost, contentType: jsonType, status: http.StatusUnprocessableEntity, reason: metav1.StatusReasonInvalid,
		body: func() []byte { return configMapOf(`"data":{"a":"` + strings.Repeat("x", 2<<20) + `"}`) }},
	{name: "annotations of 2 MB", method: http.MethodPatch, path: "/target", contentType: mergeType, status: http.StatusUnprocessableEntity, reason: metav1.StatusReasonInvalid,
		body: func() []byte {
			return []byte(`{"metadata":{"annotations":{"a":"` + strings.Repeat("x", 2<<20) + `"}}}`)
		}},
	// The message says that it is etcd to which it is too large.
	{name: "2 MB in a field without a limit", method: http.MethodPost, path: "/api/v1/namespaces/%s/endpoints", contentType: jsonType, status: http.StatusInternalServerError,
		body: func() []byte {
			addresses := make([]string, 9_000)
			for i := range addresses {
				addresses[i] = fmt.Sprintf(`{"ip":"10.%d.%d.%d","nodeName":"%s"}`, i>>16+1, i>>8&255, i&255, strings.Repeat("x", 250))
			}
			return []byte(`{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"too-much"},"subsets":[{"ports":[{"port":1}],"addresses":[` + strings.Join(addresses, ",") + `]}]}`)
		}},
	{name: "compressed object", method: http.MethodPost, contentType: jsonType, header: map[string]string{"Content-Encoding": "gzip"}, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest,
		body: func() []byte { return compressed(configMapOf(`"data":{"a":"` + strings.Repeat("x", 200<<20) + `"}`)) }},
	{name: "compressed patch", method: http.MethodPatch, path: "/target", contentType: mergeType, header: map[string]string{"Content-Encoding": "gzip"}, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest,
		body: func() []byte { return compressed([]byte(`{"data":{"a":"` + strings.Repeat("x", 200<<20) + `"}}`)) }},
	{name: "patch that doubles 30 times", method: http.MethodPatch, path: "/target", contentType: patchType, status: http.StatusUnprocessableEntity, reason: metav1.StatusReasonInvalid,
		body: func() []byte { return copies30() }},
	{name: "patch of 10,000 copies", method: http.MethodPatch, path: "/target", contentType: patchType, status: http.StatusUnprocessableEntity, reason: metav1.StatusReasonInvalid,
		body: func() []byte {
			return operations(10_000, func(i int) string { return fmt.Sprintf(`{"op":"copy","from":"/data","path":"/data/k%d"}`, i) })
		}},
	{name: "patch of 10,001 operations", method: http.MethodPatch, path: "/target", contentType: patchType, status: http.StatusRequestEntityTooLarge, reason: metav1.StatusReasonRequestEntityTooLarge,
		body: func() []byte {
			return operations(10_001, func(int) string { return `{"op":"test","path":"/kind","value":"ConfigMap"}` })
		}},
	{name: "nested 1.4 million deep", method: http.MethodPost, contentType: jsonType, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest,
		body: func() []byte {
			return configMapOf(`"x":` + strings.Repeat("[", 1_400_000) + strings.Repeat("]", 1_400_000))
		}},
	{name: "merge patch nested 500,000 deep", method: http.MethodPatch, path: "/target", contentType: mergeType, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest,
		body: func() []byte {
			return []byte(strings.Repeat(`{"a":`, 500_000) + "1" + strings.Repeat("}", 500_000))
		}},
	{name: "strategic merge patch nested 500,000 deep", method: http.MethodPatch, path: "/target", contentType: smpType, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest,
		body: func() []byte {
			return []byte(strings.Repeat(`{"a":`, 500_000) + "1" + strings.Repeat("}", 500_000))
		}},
	{name: "JSON patch nested 1.4 million deep", method: http.MethodPatch, path: "/target", contentType: patchType, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest,
		body: func() []byte {
			return []byte(`[{"op":"add","path":"/data","value":` + strings.Repeat("[", 1_400_000) + strings.Repeat("]", 1_400_000) + `}]`)
		}},
	{name: "YAML of aliases", method: http.MethodPost, contentType: yamlType, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest, body: laughs},
	{name: "applied YAML of aliases", method: http.MethodPatch, path: "/laughs?fieldManager=test", contentType: applyType, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest, body: laughs},
	{name: "applied YAML nested 100,000 deep", method: http.MethodPatch, path: "/target?fieldManager=test", contentType: applyType, status: http.StatusBadRequest, reason: metav1.StatusReasonBadRequest,
		body: func() []byte { return []byte("data: " + strings.Repeat("[", 100_000)) }},
	{name: "container list of 20,000", method: http.MethodPost, path: "/api/v1/namespaces/%s/pods", contentType: jsonType, status: http.StatusUnprocessableEntity, reason: metav1.StatusReasonInvalid,
		body: func() []byte {
			return []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"many"},"spec":{"containers":[` + strings.Repeat(`{"name":"same","image":"i"},`, 19_999) + `{"name":"same","image":"i"}]}}`)
		}},
}

func configMapOf(content string) []byte {
	return []byte(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"too-much"},` + content + `}`)
}

func compressed(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		panic(err) // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func operations(n int, operation func(i int) string) []byte {
	all := make([]string, n)
	for i := range all {
		all[i] = operation(i)
	}
	return []byte("[" + strings.Join(all, ",") + "]")
}

// copies30 copies the data into itself, which doubles them each time.
func copies30() []byte {
	return operations(30, func(i int) string { return fmt.Sprintf(`{"op":"copy","from":"/data","path":"/data/k%d"}`, i) })
}

// laughs would be a thousand million strings if its aliases were followed.
func laughs() []byte {
	var b strings.Builder
	b.WriteString("kind: ConfigMap\napiVersion: v1\nmetadata: {name: laughs}\na0: &a0 [ha,ha,ha,ha,ha,ha,ha,ha,ha,ha]\n")
	for i := 1; i < 9; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Repeat(alias+",", 9)+alias)
	}
	return []byte(b.String())
}

// TestRefusesWhatIsTooMuch sends what would take too much memory, time or disk. The
// answer is that of a kube-apiserver where there is one to ask, nothing is stored,
// and the server neither ends nor grows.
func TestRefusesWhatIsTooMuch(t *testing.T) {
	namespace := newNamespace(t)
	target := newTarget(t, admin, namespace)
	config, err := shared.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	reference := newReference(t)
	if reference != nil {
		newTarget(t, reference.client, reference.namespace)
	}
	for _, e := range excesses {
		t.Run(e.name, func(t *testing.T) {
			body := e.body()
			if reference != nil {
				began := time.Now()
				answered, reason := e.send(t, reference.config, reference.namespace, body)
				t.Logf("a kube-apiserver answers in %s", time.Since(began).Round(time.Millisecond))
				if answered != e.status || reason != e.reason {
					t.Errorf("a kube-apiserver answers %d %q, this test wants %d %q", answered, reason, e.status, e.reason)
				}
			}
			before := memory(t, "VmRSS:")
			resetPeak(t)
			began := time.Now()
			answered, reason := e.send(t, config, namespace, body)
			took := time.Since(began)
			if answered != e.status || reason != e.reason {
				t.Errorf("got %d %q, want %d %q", answered, reason, e.status, e.reason)
			}
			limit := int64(excessMiB)
			if underRace {
				limit *= 4
			}
			if grown := (memory(t, "VmHWM:") - before) >> 10; grown > limit {
				t.Errorf("the server grew by %d MiB, at most %d are allowed", grown, limit)
			} else {
				t.Logf("the server grew by %d MiB in %s", max(0, grown), took.Round(time.Millisecond))
			}
			mustNotExist(t, namespace)
			now, err := admin.CoreV1().ConfigMaps(namespace).Get(t.Context(), target.Name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if now.ResourceVersion != target.ResourceVersion {
				t.Errorf("the object was changed: %.1000v", now)
				target = now
			}
		})
	}
}

func newTarget(t *testing.T, client kubernetes.Interface, namespace string) *corev1.ConfigMap {
	t.Helper()
	target, err := client.CoreV1().ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "target"}, Data: map[string]string{"a": strings.Repeat("x", 1024)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func mustNotExist(t *testing.T, namespace string) {
	t.Helper()
	for _, name := range []string{"too-much", "laughs"} {
		if _, err := admin.CoreV1().ConfigMaps(namespace).Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s was stored: %v", name, err)
		}
	}
	if pods, err := admin.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(pods.Items) > 0 {
		t.Errorf("there are %d pods, and error %v", len(pods.Items), err)
	}
}

// send sends the request on a connection of its own.
func (e *excess) send(t *testing.T, config *rest.Config, namespace string, body []byte) (int, metav1.StatusReason) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	url := config.Host + "/api/v1/namespaces/" + namespace + "/configmaps" + e.path
	if strings.HasPrefix(e.path, "/api") {
		url = config.Host + fmt.Sprintf(e.path, namespace)
	}
	ctx, cancel := context.WithTimeout(t.Context(), excessTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, e.method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", e.contentType)
	for key, value := range e.header {
		req.Header.Set(key, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("no answer: %.500s", err.Error())
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var status metav1.Status
	if err := json.Unmarshal(data, &status); err != nil && e.reason != "" {
		t.Logf("the answer is no Status: %.200s", data)
	}
	return resp.StatusCode, status.Reason
}

// resetPeak forgets how large the coordinator has been.
func resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("/proc", strconv.Itoa(shared.Pid()), "clear_refs"), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// memory reads what the kernel says of the coordinator's memory, in KiB.
func memory(t *testing.T, name string) int64 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(shared.Pid()), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

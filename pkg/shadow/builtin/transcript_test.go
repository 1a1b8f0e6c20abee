// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/steppe-io/steppe/pkg/shadow/shadowtest"
	"github.com/steppe-io/steppe/test/testcluster"
)

// step is a request that both servers get. In its path and body, {uid} and
// {version} stand for those of the object that the server answered with last, and
// {old} for the version before.
type step struct {
	why    string
	method string
	path   string
	kind   string // media type of the body
	body   string // in YAML
	// codeOnly has the rest of the answer not compared: the words are ours.
	codeOnly bool
	// malformed has both find the request malformed or invalid. Others they must
	// not: a test with a mistake in it would find no difference.
	malformed bool
	// otherOwners has the owners of fields not compared.
	otherOwners bool
	// settles has a step that changes nothing repeated until the answers are the
	// same: a kube-apiserver sees some objects only a moment after they were made.
	settles bool
}

func create(why, path, body string) step {
	return step{why: why, method: http.MethodPost, path: path, kind: "application/json", body: body}
}

func get(why, path string) step { return step{why: why, method: http.MethodGet, path: path} }

func put(why, path, body string) step {
	return step{why: why, method: http.MethodPut, path: path, kind: "application/json", body: body}
}

func merge(why, path, body string) step {
	return step{why: why, method: http.MethodPatch, path: path, kind: "application/merge-patch+json", body: body}
}

func strategic(why, path, body string) step {
	return step{why: why, method: http.MethodPatch, path: path, kind: "application/strategic-merge-patch+json", body: body}
}

func apply(why, path, body string) step {
	return step{why: why, method: http.MethodPatch, path: path, kind: "application/apply-patch+yaml", body: body}
}

func remove(why, path, options string) step {
	return step{why: why, method: http.MethodDelete, path: path, kind: "application/json", body: options}
}

// refused marks a step whose refusal has words of ours.
func refused(s step) step {
	s.codeOnly = true
	return s
}

// malformed marks a step that is to be one.
func malformed(s step) step {
	s.malformed = true
	return s
}

// owned marks a step after which the kube-apiserver has an owner for a field that it
// has set itself, in a conversion.
func owned(s step) step {
	s.otherOwners = true
	return s
}

// settling marks a step that is only tried.
func settling(s step) step {
	s.path += "?dryRun=All"
	s.settles = true
	return s
}

// talker speaks with one server.
type talker struct {
	client            *http.Client
	host              string
	uid, version, old string
}

func newTalker(t *testing.T, config *rest.Config) *talker {
	t.Helper()
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := rest.HTTPClientFor(config)
	must(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return &talker{client: client, host: config.Host}
}

// say sends the request of a step and returns code and body of the answer.
func (k *talker) say(t *testing.T, s step) (code int, answer map[string]any) {
	t.Helper()
	fill := strings.NewReplacer("{uid}", k.uid, "{version}", k.version, "{old}", k.old)
	var body io.Reader
	if s.body != "" {
		raw, err := yaml.YAMLToJSON([]byte(fill.Replace(s.body)))
		must(t, err)
		body = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(t.Context(), s.method, k.host+fill.Replace(s.path), body)
	must(t, err)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "transcript")
	if s.kind != "" {
		request.Header.Set("Content-Type", s.kind)
	}
	response, err := k.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(t, err)
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%s %s: %s %s", s.method, s.path, response.Status, raw)
	}
	if m, ok := answer["metadata"].(map[string]any); ok {
		if uid, ok := m["uid"].(string); ok {
			k.uid = uid
		}
		if version, ok := m["resourceVersion"].(string); ok && version != k.version {
			k.old, k.version = k.version, version
		}
	}
	return response.StatusCode, answer
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// names that are generated
	names = regexp.MustCompile(`kube-api-access-[a-z0-9]{5}|X509SHA256=[0-9a-f]+|gen-[a-z0-9]{5}|\b10\.9[69]\.\d+\.\d+\b`)
	times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
)

// comparable replaces what differs from server to server.
func comparable(key string, value any, version string) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, inner := range v {
			out[uuids.ReplaceAllString(k, "UID")] = comparable(k, inner, version)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = comparable("", v[i], version)
		}
		if key == "finalizers" {
			slices.SortFunc(out, func(x, y any) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) }) // a set
		}
		return out
	case string:
		if key == "resourceVersion" {
			return "VERSION"
		}
		v = names.ReplaceAllString(times.ReplaceAllString(uuids.ReplaceAllString(v, "UID"), "TIME"), "NAME")
		if key == "message" && version != "" {
			v = regexp.MustCompile(`\b`+version+`\b`).ReplaceAllString(v, "VERSION")
		}
		return v
	case float64:
		if key == "nodePort" || key == "healthCheckNodePort" {
			return "PORT"
		}
		return v
	default:
		return v
	}
}

// compare sends the steps to a kube-apiserver and to ours. Answers must be the
// same, but for what is known to differ.
func compare(t *testing.T, theirs, ours *talker, steps []step) {
	t.Helper()
	for i, s := range steps {
		const patience, interval = 30 * time.Second, 20 * time.Millisecond
		difference := differ(t, theirs, ours, s)
		for deadline := time.Now().Add(patience); s.settles && difference != "" && time.Now().Before(deadline); {
			<-time.After(interval)
			difference = differ(t, theirs, ours, s)
		}
		if difference != "" {
			t.Errorf("%d (%s): %s %s: %s", i+1, s.why, s.method, s.path, difference)
		}
	}
}

// mistaken are the codes of answers to what makes no sense.
var mistaken = map[int]bool{http.StatusBadRequest: true, http.StatusUnprocessableEntity: true, http.StatusInternalServerError: true}

// differ sends a step to both and returns how their answers differ.
func differ(t *testing.T, theirs, ours *talker, s step) string {
	t.Helper()
	theirCode, theirAnswer := theirs.say(t, s)
	ourCode, ourAnswer := ours.say(t, s)
	switch {
	case theirCode != ourCode:
		return fmt.Sprintf("they answer %d, we %d\ntheirs: %v\nours: %v", theirCode, ourCode, theirAnswer, ourAnswer)
	case mistaken[theirCode] && !s.malformed && !s.codeOnly:
		return fmt.Sprintf("the test has a mistake: %v", theirAnswer)
	case s.codeOnly && theirAnswer["reason"] != ourAnswer["reason"]:
		return fmt.Sprintf("their reason is %v, ours %v", theirAnswer["reason"], ourAnswer["reason"])
	case s.codeOnly:
		return ""
	}
	if s.otherOwners {
		for _, answer := range []map[string]any{theirAnswer, ourAnswer} {
			delete(answer["metadata"].(map[string]any), "managedFields")
		}
	}
	diff := cmp.Diff(comparable("", theirAnswer, theirs.version), comparable("", ourAnswer, ours.version))
	if diff == "" {
		return ""
	}
	return "(-theirs +ours):\n" + diff
}

// servers returns who the steps of a test are sent to.
func servers(t *testing.T) (theirs, ours *talker) {
	t.Helper()
	real := testcluster.Need(t, cluster).RESTConfig()
	config, _ := shadowtest.Start(t, nil)
	return newTalker(t, real), newTalker(t, config)
}

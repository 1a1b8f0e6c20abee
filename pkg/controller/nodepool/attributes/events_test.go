// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// noteLimit is what the API server accepts as the note of an Event.
const noteLimit = 1024

// TestNotesFit: an Event with a longer note would be refused and seen by nobody.
func TestNotesFit(t *testing.T) {
	long := func(i int) string {
		return fmt.Sprintf("label %s/%s%d", strings.Repeat("d", 253), strings.Repeat("é", 31), i)
	}
	var names []string
	for i := range 9 {
		names = append(names, long(i))
	}
	pool := strings.Repeat("p", 63)
	recorder := events.NewFakeRecorder(10)
	r := newReporter(recorder)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	r.node(node, finding{pool: strings.Repeat("q", 63)})
	r.node(node, finding{pool: pool, missing: true, foreign: list(names), malformed: true})
	r.writeRefused(node, errors.New(strings.Repeat("é", 1000)))
	r.refused(&appsv1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: pool}}, names)
	close(recorder.Events)
	count := 0
	for event := range recorder.Events {
		count++
		if len(event) > noteLimit || strings.ToValidUTF8(event, "?") != event {
			t.Errorf("an Event has %d bytes: %s", len(event), event)
		}
	}
	if count != 6 {
		t.Errorf("%d Events, want 6", count)
	}
}

func TestList(t *testing.T) {
	long := strings.Repeat("d", quoted-10)
	cases := map[string]struct {
		reason string
		names  []string
		want   string
	}{
		"None":    {"nothing to say", nil, ""},
		"Few":     {"all of them", []string{"a", "b"}, "a, b"},
		"Many":    {"eight and how many more", strings.Split("abcdefghij", ""), "a, b, c, d, e, f, g, h and 2 more"},
		"Long":    {"as many as there is room for", []string{"a", long, "b", long}, "a, " + long + ", b and 1 more"},
		"TooLong": {"one at least, though not all of it", []string{long + long, "b"}, (long + long)[:quoted] + "... and 1 more"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := list(tc.names); got != tc.want {
				t.Errorf("%s: list: %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	nodes := corev1.Resource("nodes")
	webhook := &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusBadRequest, Message: `admission webhook "x" denied the request: no`}}
	cases := map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"Invalid":     {"the annotations are too big", apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Node").GroupKind(), "n", nil), true},
		"Forbidden":   {"a right is missing, or a policy says no", apierrors.NewForbidden(nodes, "n", errors.New("no")), true},
		"Webhook":     {"a webhook says no and gives no reason", webhook, true},
		"TooBig":      {"the request is too big", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), true},
		"Conflict":    {"somebody was faster", apierrors.NewConflict(nodes, "n", errStale), false},
		"Gone":        {"the node has been deleted", apierrors.NewNotFound(nodes, "n"), false},
		"Busy":        {"the server is busy", apierrors.NewTooManyRequestsError("later"), false},
		"Away":        {"the server is away", apierrors.NewServiceUnavailable("later"), false},
		"WebhookAway": {"a webhook is away", apierrors.NewInternalError(errors.New("failed calling webhook")), false},
		"NoAnswer":    {"the connection broke", errors.New("connection refused"), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := refuses(fmt.Errorf("patch taints: %w", tc.err)); got != tc.want {
				t.Errorf("%s: refuses is %v", tc.reason, got)
			}
		})
	}
}

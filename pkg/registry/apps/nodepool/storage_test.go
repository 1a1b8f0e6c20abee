// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/steppe-io/steppe/apis/apps"
)

// members answers the same for every pool.
type members struct {
	names []string
	more  bool
	err   error
}

func (m members) SomeOf(context.Context, string, int) ([]string, bool, error) {
	return m.names, m.more, m.err
}

func TestRefuseMembers(t *testing.T) {
	earlier := apierrors.NewForbidden(apps.Resource("nodepools"), "berlin", errors.New("by somebody else"))
	cases := []struct {
		name, reason string
		members      members
		validate     func(context.Context, runtime.Object) error
		is           func(error) bool
		want         string
	}{
		{name: "empty", reason: "nothing is in the way", is: func(err error) bool { return err == nil }},
		{name: "a node", reason: "it would be left alone", members: members{names: []string{"edge-1"}}, is: apierrors.IsConflict, want: "(edge-1)"},
		{name: "many nodes", reason: "not all can be named", members: members{names: []string{"a", "b"}, more: true}, is: apierrors.IsConflict, want: "(a, b and others)"},
		{name: "not known", reason: "a pool must not go by mistake", members: members{err: errors.New("no answer")}, is: apierrors.IsServiceUnavailable, want: "cannot tell"},
		{name: "refused before", reason: "others have a say first", validate: func(context.Context, runtime.Object) error { return earlier }, is: apierrors.IsForbidden, want: "by somebody else"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &REST{members: c.members}
			err := r.refuseMembers(c.validate)(t.Context(), &apps.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "berlin"}})
			if !c.is(err) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%s: got %v, want %q", c.reason, err, c.want)
			}
			if seconds, ok := apierrors.SuggestsClientDelay(err); apierrors.IsServiceUnavailable(err) && (!ok || seconds != retryAfterSeconds) {
				t.Errorf("clients are not told when to come back: %d, %v", seconds, ok)
			}
		})
	}
}

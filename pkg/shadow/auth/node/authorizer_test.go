// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// A refusal before all pods are known would be a guess. What does not depend on
// pods is answered from the start.
func TestAuthorizeBeforeTheSync(t *testing.T) {
	synced := false
	g := newGraph()
	g.synced = append(g.synced, func() bool { return synced })
	g.setPod(podWith("blue", "p", "a", []string{"known"}, nil))
	a := NewAuthorizer(g)
	for _, c := range []struct {
		name, reason string
		request      authorizer.AttributesRecord
		want         authorizer.Decision
		wantError    bool // until the sync
	}{
		{"a known secret", "what is known holds", question{resource: "secrets"}.request(kubeletOf("a"), "get", "", "blue", "known", ""), authorizer.DecisionAllow, false},
		{"an unknown secret", "its pod may come", question{resource: "secrets"}.request(kubeletOf("a"), "get", "", "blue", "unknown", ""), authorizer.DecisionNoOpinion, true},
		{"an unknown pod", "it may come", question{resource: "pods"}.request(kubeletOf("a"), "get", "", "blue", "unknown", ""), authorizer.DecisionNoOpinion, true},
		{"a write of a secret", "no pod allows it", question{resource: "secrets"}.request(kubeletOf("a"), "update", "", "blue", "unknown", ""), authorizer.DecisionNoOpinion, false},
		{"all secrets", "no pod allows it", question{resource: "secrets"}.request(kubeletOf("a"), "list", "", "blue", "", ""), authorizer.DecisionNoOpinion, false},
		{"its node", "it registers first of all", question{resource: "nodes"}.request(kubeletOf("a"), "get", "", "", "a", ""), authorizer.DecisionAllow, false},
		{"its pods", "the graph is not needed", question{resource: "pods"}.request(kubeletOf("a"), "watch", "", "", "", "spec.nodeName=a"), authorizer.DecisionAllow, false},
		{"services", "the graph is not needed", question{resource: "services"}.request(kubeletOf("a"), "watch", "", "", "", ""), authorizer.DecisionAllow, false},
		{"another user", "it is no kubelet", question{resource: "secrets"}.request(&user.DefaultInfo{Name: "ann"}, "get", "", "blue", "known", ""), authorizer.DecisionNoOpinion, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synced = false
			if decision, _, err := a.Authorize(t.Context(), c.request); decision != c.want || errors.Is(err, errNotSynced) != c.wantError {
				t.Errorf("%s: got %v, %v; want %v, an error %t", c.reason, decision, err, c.want, c.wantError)
			}
			synced = true
			if decision, _, err := a.Authorize(t.Context(), c.request); decision != c.want || err != nil {
				t.Errorf("After the sync: got %v, %v; want %v", decision, err, c.want)
			}
		})
	}
}

func TestAuthorizeSaysWhy(t *testing.T) {
	a := NewAuthorizer(newGraph())
	_, reason, err := a.Authorize(t.Context(), question{resource: "secrets"}.request(kubeletOf("a"), "get", "", "blue", "s", ""))
	if want := "no relationship found between node 'a' and this object"; reason != want || err != nil {
		t.Errorf("got %q, %v, want %q", reason, err, want)
	}
	_, reason, err = a.Authorize(t.Context(), question{resource: "secrets"}.request(kubeletOf(""), "get", "", "blue", "s", ""))
	if want := `unknown node for user "system:node:"`; reason != want || err != nil {
		t.Errorf("got %q, %v, want %q", reason, err, want)
	}
}

func TestRulesForKubelets(t *testing.T) {
	a := NewAuthorizer(newGraph())
	if _, _, incomplete, err := a.RulesFor(t.Context(), kubeletOf("a"), "blue"); !incomplete || err == nil {
		t.Errorf("A kubelet: incomplete %t, %v; want it incomplete, and why", incomplete, err)
	}
	if _, _, incomplete, err := a.RulesFor(t.Context(), &user.DefaultInfo{Name: "ann"}, "blue"); incomplete || err != nil {
		t.Errorf("Another user: incomplete %t, %v; want nothing", incomplete, err)
	}
}
